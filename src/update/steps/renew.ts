import { TelecError } from '../../system/errors.ts'
import { readBytes } from '../../system/files.ts'
import { frontDoor, type World } from '../../system/world.ts'
import type { StepContext } from '../context.ts'

const INSTALL_TIMEOUT_MS = 2 * 60_000

/** Where the update brought a new telec, that one resumes here (exit code 42), and updates its units. */
export async function renew(context: StepContext): Promise<string> {
  const { world, interrupted, programsAtStart } = context
  const now = readBytes(world.program.path)
  if (now.length === 0)
    throw new TelecError('halted', `the update removed telec itself: ${world.program.path}`, {
      hint: 'build it in deployment.install, or run telec from outside the checkout; then: telec-update --retry',
    })
  if (!now.equals(programsAtStart.own)) {
    await context.writeDown()
    throw new TelecError('restart', 'the update brought a new telec, which resumes it', {
      hint: 'wait: the caller or the next poll starts it',
    })
  }
  const isNew = interrupted || !readBytes(frontDoor(world)).equals(programsAtStart.frontDoor)
  return isNew ? refreshUnits(world) : 'telec did not change'
}

/** Only the new telec knows its units. A failure here does not fail the update. */
async function refreshUnits(world: World): Promise<string> {
  // launchd loads a new plist only after bootout, which would kill this program with its children.
  if (world.platform === 'darwin') return 'telec is new; telec doctor checks its jobs'
  const result = await world.run(world.program.node, [frontDoor(world), 'install', '--refresh'], {
    cwd: '/',
    env: world.env,
    timeoutMs: INSTALL_TIMEOUT_MS,
  })
  if (result.code === 0)
    return ['telec is new', ...result.stdout.trim().split('\n').filter(Boolean)].join('; ')
  world.log.warning(`cannot update telec's units: ${result.stderr.trim()}`)
  return 'telec is new; its units may be old: telec install'
}
