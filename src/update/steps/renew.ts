import { TelecError } from '../../system/errors.ts'
import { frontDoor, programText, type World } from '../../system/world.ts'
import type { StepContext } from '../step.ts'

const INSTALL_TIMEOUT_MS = 2 * 60_000

/** Where telec itself came with the update, the new one goes on from here (exit code 42) and updates its units. */
export async function renew(context: StepContext): Promise<string> {
  const { world, interrupted, programsAtStart } = context
  const now = programText(world)
  if (now === null)
    throw new TelecError('halted', `the update removed telec itself: ${world.program.path}`, {
      hint: 'have deployment.install build it, or run telec from outside the checkout; then telec-update --retry',
    })
  if (now !== programsAtStart.own) {
    await context.writeDown()
    throw new TelecError('restart', 'the update brought a new telec, which goes on from here', {
      hint: 'nothing: whoever started this one starts it again, and so does the next poll',
    })
  }
  const isNew = interrupted || programText(world, frontDoor(world)) !== programsAtStart.frontDoor
  return isNew ? refreshUnits(world) : 'telec is as it was'
}

/** The new telec knows which units it wants. That they are not brought up to date does not fail an update. */
async function refreshUnits(world: World): Promise<string> {
  // launchd takes up a new plist only after bootout, which would end this program with all that it started.
  if (world.platform === 'darwin')
    return 'telec is a new one; telec doctor says whether its jobs are: telec install'
  const result = await world.run(world.program.node, [frontDoor(world), 'install', '--refresh'], {
    cwd: '/',
    env: world.env,
    timeoutMs: INSTALL_TIMEOUT_MS,
  })
  if (result.code === 0)
    return ['telec is a new one', ...result.stdout.trim().split('\n').filter(Boolean)].join('; ')
  world.log.warning(`telec's units were not brought up to date: ${result.stderr.trim()}`)
  return 'telec is a new one; its units may be of the one before: telec install'
}
