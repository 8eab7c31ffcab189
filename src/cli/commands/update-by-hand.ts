import type { Service } from '../../config/service.ts'
import { asAsked } from '../../config/services.ts'
import { readSignal } from '../../state/signal.ts'
import { readStatus } from '../../state/status.ts'
import { readUpdateState } from '../../state/update-state.ts'
import { TelecError } from '../../system/errors.ts'
import { isHeld } from '../../system/lock.ts'
import type { UpdateOptions } from '../../update/execute.ts'
import { runPoll, titleOf, verifyFollowed } from './run-poll.ts'
import { runUpdate } from './run-update.ts'

/**
 * `telec update`, as a person types it: polls first, and says what it found; where another telec is at it already, shows
 * what that one does. The exit code.
 */
export async function updateByHand(
  service: Service,
  askedFor: () => Promise<UpdateOptions>,
): Promise<number> {
  await pollFirst(service)
  const asked = await askedFor()
  for (;;) {
    if (isHeld(service.world, service.paths.lock)) await follow(service)
    try {
      return await runUpdate(service, asked)
    } catch (error) {
      if (!(error instanceof TelecError && error.isBusy)) throw error
      await service.world.sleep(LOOK_EVERY_MS) // it has not written down yet that it is at work
    }
  }
}

/** What waits, or did not end, goes on also where the remote does not answer. */
async function pollFirst({ world, paths }: Service): Promise<void> {
  try {
    const decision = await runPoll(world, { dryRun: false, scheduled: false, heard: null })
    if (decision.kind !== 'update') world.log.info(asAsked(world, titleOf(decision)))
    verifyFollowed(decision)
  } catch (error) {
    const isWaiting = readSignal(paths) !== null || readUpdateState(paths)?.update
    if (!(error instanceof TelecError) || !isWaiting) throw error
    world.log.warning(`not polled: ${error.message}; going on with what waits`)
  }
}

const LOOK_EVERY_MS = 200

/** Until the other telec has ended, however it did: what is left to do, or to be said, is found by an update after it. */
async function follow({ world, paths }: Service): Promise<void> {
  world.log.notice('another telec is at work; what it does:')
  world.log.onKill('the other telec goes on without this terminal: telec status')
  let shown = ''
  for (let isAtWork = true; isAtWork; ) {
    isAtWork = isHeld(world, paths.lock)
    const status = readStatus(paths)
    const line = status ? `${status.status} ${status.version ?? status.commit.slice(0, 12)}` : ''
    if (line !== shown) world.log.info(line)
    shown = line
    if (isAtWork) await world.sleep(LOOK_EVERY_MS)
  }
  world.log.onKill(null)
}
