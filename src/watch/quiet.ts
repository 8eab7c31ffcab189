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
import { nextPollDue } from './next-poll.ts'

export interface Polled {
  readonly decision: Decision
  /** What the remote said, where nothing else had a say; null: something had. */
  readonly list: string | null
}

/** A longer list takes a shell longer than it takes Node.js. */
const LONGEST_LIST = 256 * 1024
/** The kernel's clock for files is behind by that at most. */
const TICK_MS = 10

/** Leaves what quiet.sh needs to skip polls that would find nothing. `startedMs`: before this poll read anything. */
export async function leaveQuiet(service: Service, polled: Polled, startedMs: number): Promise<void> {
  const { paths } = service
  const text = await quietText(service, polled, startedMs)
  if (text === null) return forgetQuiet(paths)
  await writeQuiet(service, text)
  const isChanged = [paths.config, paths.updateState, paths.pause, paths.choices].some(
    (path) => (statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? 0) >= startedMs - TICK_MS,
  )
  if (isChanged) await forgetQuiet(paths)
}

/** Null: the next poll has to be a whole one. */
async function quietText(
  service: Service,
  { decision, list }: Polled,
  startedMs: number,
): Promise<string | null> {
  const { world, config, paths } = service
  // On macOS there is no timeout(1), and metrics say when the last poll was.
  if (world.platform !== 'linux' || config.metrics) return null
  if (decision.kind !== 'current' || list === null || list.length > LONGEST_LIST) return null
  const { update, halted } = readUpdateState(paths) ?? {}
  if (update !== null || halted !== null || readSignal(paths) !== null) return null
  const untilMs = Math.min(nextPollDue(service, decision), heartbeatDue(service))
  const command = listInShell(locateRepository(world, config.deployment.checkout), config.deployment)
  if (command === null || untilMs <= world.now()) return null
  const times = [startedMs, untilMs].map((ms) => Math.floor(ms / 1000))
  const said = `${list}.`.split('\n')
  const files = [join(config.deployment.checkout, '.git'), paths.config]
  return `${[...times, MEMORY_KIB, ...files, said.length, ...said, ...command].join('\n')}\n`
}

/** When Redis is to hear of this computer, in milliseconds since 1970. */
function heartbeatDue(service: Service): number {
  const { world, paths, config } = service
  if (!config.redis) return Number.POSITIVE_INFINITY
  const link = readRedisState(paths)
  return isHeartbeatDue(link, statusForOthers(service), world.now()) ? world.now() : nextHeartbeat(link)
}
