import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Decision } from '../channel/decide.ts'
import type { Service } from '../config/service.ts'
import { isHeartbeatDue, nextHeartbeat } from '../fleet/heartbeat.ts'
import { listInShell, MEMORY_KIB } from '../git/remote-refs.ts'
import { locateRepository } from '../git/repository.ts'
import { forgetQuiet, writeQuiet } from '../state/file.ts'
import { readRedisState } from '../state/redis.ts'
import { readSignal } from '../state/signal.ts'
import { readUpdateState } from '../state/update-state.ts'
import { statusForOthers } from './after-poll.ts'

export interface Polled {
  readonly decision: Decision
  /** The remote's list of refs. Null: a mirror or an API has a say, too. */
  readonly list: string | null
  /** Whether the log has the decision: it is news. */
  readonly isLogged: boolean
}

/** A shell compares a longer list more slowly than Node.js does. */
const LONGEST_LIST = 256 * 1024
/** Then a poll in Node.js, even if nothing changes. */
const LONGEST_QUIET_MS = 60 * 60_000
/** File times lag behind the clock by at most this. */
const TICK_MS = 10

/** Writes the file by which quiet.sh skips polls that would find nothing. `startedMs`: before this poll read anything. */
export async function allowQuiet(service: Service, polled: Polled, startedMs: number): Promise<void> {
  const { paths } = service
  const text = await quietText(service, polled, startedMs)
  if (text === null) return forgetQuiet(paths)
  await writeQuiet(service, text)
  const isChanged = [paths.config, paths.updateState, paths.pause, paths.choices].some(
    (path) => (statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? 0) >= startedMs - TICK_MS,
  )
  if (isChanged) await forgetQuiet(paths)
}

/** Null: the next poll needs Node.js. */
async function quietText(
  service: Service,
  { decision, list }: Polled,
  startedMs: number,
): Promise<string | null> {
  const { world, config, paths } = service
  // macOS has no timeout(1), and metrics report the last poll.
  if (world.platform !== 'linux' || config.metrics) return null
  if (decision.kind !== 'current' || list === null || list.length > LONGEST_LIST) return null
  const { update, halted } = readUpdateState(paths) ?? {}
  if (update !== null || halted !== null || readSignal(paths) !== null) return null
  const untilMs = Math.min(world.now() + LONGEST_QUIET_MS, nextReport(service))
  const command = listInShell(locateRepository(world, config.deployment.checkout), config.deployment)
  if (command === null || untilMs <= world.now()) return null
  const times = [startedMs, untilMs].map((ms) => Math.floor(ms / 1000))
  const answer = `${list}.`.split('\n')
  const files = [join(config.deployment.checkout, '.git'), paths.config]
  return `${[...times, MEMORY_KIB, ...files, answer.length, ...answer, ...command].join('\n')}\n`
}

/** When this computer next reports to Redis, in milliseconds since 1970. */
function nextReport(service: Service): number {
  const { world, paths, config } = service
  if (!config.redis) return Number.POSITIVE_INFINITY
  const state = readRedisState(paths)
  return isHeartbeatDue(state, statusForOthers(service), world.now()) ? world.now() : nextHeartbeat(state)
}
