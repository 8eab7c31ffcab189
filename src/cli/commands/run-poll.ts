import { join } from 'node:path'
import type { Decision } from '../../channel/decide.ts'
import { openService } from '../../config/service.ts'
import { readSignal } from '../../state/signal.ts'
import { TelecError } from '../../system/errors.ts'
import { remove } from '../../system/files.ts'
import type { World } from '../../system/world.ts'
import { tellOthers } from '../../watch/after-poll.ts'
import { type PollOptions, poll } from '../../watch/poll.ts'
import { allowQuiet, type Polled } from '../../watch/quiet.ts'

const TITLES: Record<Decision['kind'], string> = {
  update: 'an update',
  current: 'nothing new',
  held: 'not yet',
  refused: 'refused',
  missing: 'nothing to follow',
}

/** The result of a poll, in one line. */
export function titleOf({ kind, reason }: Decision): string {
  return `${TITLES[kind]}: ${reason}`
}

/** Throws where the remote lacks the branch or the releases that this computer follows: the log says it only once. */
export function verifyFollowed(decision: Decision): void {
  if (decision.kind !== 'missing') return
  throw new TelecError('halted', decision.reason, { hint: decision.hint })
}

/** Polls, reports to Redis and the metrics, and writes the file that makes the next polls cheap. */
export async function runPoll(world: World, options: PollOptions): Promise<Polled> {
  const startedMs = world.now()
  const service = await openService(world)
  const { paths } = service
  const before = readSignal(paths)
  const polling = poll(service, options)
  const polled = await polling.finally(() => (options.dryRun ? undefined : tellOthers(service, before)))
  if (!options.dryRun) {
    await allowQuiet(service, polled, startedMs)
    await remove(join(paths.home, 'config.parsed.json')) // a copy of the configuration by telec 0.1
  }
  return polled
}
