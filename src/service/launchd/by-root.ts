import { TelecError } from '../../system/errors.ts'
import { mark } from '../../system/files.ts'
import type { World } from '../../system/world.ts'
import { tryCommand } from '../commands.ts'
import { linesOf } from './print.ts'

/** A job of root's that restarts one of the service's, and the file by which it is asked to. */
export type RootsJob = Readonly<Record<'request' | 'label', string>>

const LOOK_EVERY_MS = 200
/** Longer than a throttle of 10 s, the file system's events and `kickstart -k` together. */
const LONGEST_ANSWER_MS = 60_000

/**
 * Has root restart the service, and returns when launchd has done it. Throws `config` where root's job does not do it.
 */
export async function askRootsJob(
  world: World,
  service: string,
  { request, label }: RootsJob,
): Promise<void> {
  const before = await look()
  mark(request, world.now())
  const deadline = world.monotonic() + LONGEST_ANSWER_MS
  for (;;) {
    const now = await look()
    if (now === null) throw fault('it is not loaded')
    const hasRun = now.get('runs') !== before?.get('runs') && !now.has('pid')
    const exit = now.get('last exit code')
    if (hasRun && exit === '0') return
    if (hasRun) throw fault(`its last exit code is ${exit}`)
    if (world.monotonic() > deadline) throw fault('it was not started')
    await world.sleep(LOOK_EVERY_MS)
  }

  async function look() {
    const { code, stdout } = await tryCommand(world, ['launchctl', 'print', `system/${label}`])
    return code === 0 ? linesOf(stdout) : null
  }

  function fault(because: string): TelecError {
    return new TelecError('config', `root's job ${label} does not restart ${service}`, {
      because,
      hint: `launchctl print system/${label}, and have it loaded: sudo telec install. Then: telec-update --retry`,
    })
  }
}
