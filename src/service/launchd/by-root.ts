import { TelecError } from '../../system/errors.ts'
import { mark } from '../../system/files.ts'
import type { World } from '../../system/world.ts'
import { linesOf, NOT_LOADED, printed, stateOf } from './print.ts'

/** A job of root's that restarts one of the service's, and the file by which it is asked to. */
export type RootsJob = Readonly<Record<'request' | 'label', string>>

const LOOK_EVERY_MS = 200
/** Longer than a throttle of 10 s, the file system's events and `kickstart -k` together. */
const LONGEST_ANSWER_MS = 60_000

/**
 * Has root restart the service, and returns when launchd has done it. Throws `config` where root's job does not do it,
 * and `later` where launchd says nothing about it.
 */
export async function askRootsJob(
  world: World,
  service: string,
  { request, label }: RootsJob,
): Promise<void> {
  let before: string | undefined
  const deadline = world.monotonic() + LONGEST_ANSWER_MS
  for (;;) {
    const { code, stdout } = await printed(world, `system/${label}`)
    if (code === NOT_LOADED) throw fault('it is not loaded')
    if (code === 0) {
      const { main, lastExit } = stateOf(stdout)
      const runs = linesOf(stdout).get('runs') ?? '0'
      if (before === undefined) {
        // An update that was killed has asked already, and one restart is enough.
        before = main ? 'under way' : runs
        if (!main) mark(request, world.now())
      } else if (runs !== before && !main) {
        if (lastExit === 'exit code 0') return
        throw fault(`it ended with ${lastExit}`)
      }
    }
    if (world.monotonic() > deadline)
      throw before === undefined ? fault('launchd does not answer', 'later') : fault('it was not started')
    await world.sleep(LOOK_EVERY_MS)
  }

  function fault(because: string, kind: 'config' | 'later' = 'config'): TelecError {
    return new TelecError(kind, `root's job ${label} does not restart ${service}`, {
      because,
      hint: `launchctl print system/${label}, and have it loaded: sudo telec install. Then: telec-update --retry`,
    })
  }
}
