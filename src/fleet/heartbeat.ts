import type { RedisConfig } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { type RedisState, readRedisState, writeRedisState } from '../state/redis.ts'
import type { StatusRecord, StatusSink } from '../state/status.ts'
import { within } from '../system/limit.ts'
import { count } from '../system/plural.ts'
import { isoTime } from '../system/world.ts'
import { type Announcement, announce } from './announcements.ts'
import { describeFault, keepRedis, withRedis } from './client.ts'
import type { RedisClient } from './ioredis.ts'
import { COMPUTERS_KEY, statusKey } from './keys.ts'
import { Count, Ok } from './replies.ts'

/** The most that a poll or an update waits for Redis: their own work is done by then. */
const BUDGET_MS = 1_000

/** How often a computer reports, also when nothing happens on it. */
const HEARTBEAT_MS = 5 * 60_000

/** Tells a status from every other one. */
function statusId({ computer, status, timestamp, commit, step, problem, pinned }: StatusRecord): string {
  return [computer, timestamp, status, step, commit, problem ?? [], pinned ? 'pinned' : []].flat().join(' ')
}

/** Whether Redis lacks this status, or has not heard of this computer for a while. Pure. */
export function isHeartbeatDue(state: RedisState, status: StatusRecord | null, nowMs: number): boolean {
  if (status !== null && state.sent !== statusId(status)) return true
  return Math.abs(nextHeartbeat(state) - HEARTBEAT_MS - nowMs) >= HEARTBEAT_MS // also after a clock that was ahead
}

/** When this computer reports next, if nothing happens, in milliseconds since 1970. Pure. */
export function nextHeartbeat({ reached_at }: RedisState): number {
  return (reached_at ? Date.parse(reached_at) : 0) + HEARTBEAT_MS
}

async function sendStatus(client: RedisClient, record: StatusRecord, nowMs: number): Promise<void> {
  await Promise.all([
    client.call(Ok, 'SET', statusKey(record.computer), JSON.stringify(record)),
    client.call(Count, 'ZADD', COMPUTERS_KEY, Math.floor(nowMs / 1000), record.computer),
  ])
}

/** Sends Redis a status that it lacks, a sign of life, and a new version. The next poll retries what fails. */
export async function sendHeartbeat(
  service: Service,
  status: StatusRecord | null,
  announcement: Announcement | null,
): Promise<void> {
  const { world, config, paths } = service
  const { redis } = config
  if (!redis) return
  const state = readRedisState(paths)
  const isPending = isHeartbeatDue(state, status, world.now())
  if (announcement === null && !isPending) return
  const sending = withRedis(redis, BUDGET_MS, async (client) => {
    if (status && isPending) await sendStatus(client, status, world.now())
    if (announcement) await announce(client, announcement)
  })
  await recordHeartbeat(service, state, status, await sending.then(() => null, describeFault))
}

/** Logs a fault once, and its end. */
async function recordHeartbeat(
  { world, paths }: Service,
  before: RedisState,
  sent: StatusRecord | null,
  failure: string | null,
): Promise<void> {
  if (failure === null) {
    if (before.failures > 0)
      world.log.notice(`Redis is back after ${count(before.failures, 'failed attempt')}`)
    const id = sent === null ? before.sent : statusId(sent)
    return writeRedisState(paths, { sent: id, reached_at: isoTime(world), failures: 0, last_failure: null })
  }
  const say = before.failures === 0 ? world.log.warning : world.log.debug
  say(`cannot send the status to Redis: ${failure}; telec works without Redis, and retries`)
  return writeRedisState(paths, { ...before, failures: before.failures + 1, last_failure: failure })
}

/**
 * Sends each status to Redis, in order, while the update runs. The next status brings those that failed along; after the
 * last one telec-watch does.
 */
export function redisSink(service: Service, redis: RedisConfig): StatusSink {
  const { world, paths } = service
  const connection = keepRedis(redis, BUDGET_MS)
  const waiting: StatusRecord[] = []
  let latest: StatusRecord | null = null
  let failure: string | null = null
  let sending = Promise.resolve()
  let isBusy = false

  const send = async () => {
    for (let next = waiting[0]; next; next = waiting[0]) {
      const record = next
      await connection.ask((client) => sendStatus(client, record, world.now()))
      waiting.shift()
    }
  }
  const flush = async () => {
    isBusy = true
    failure = await send().then(() => null, describeFault)
    isBusy = false
  }
  return {
    publish(record) {
      latest = record
      waiting.push(record)
      if (!isBusy) sending = flush()
    },
    async close() {
      if (latest === null) return
      const late = await within(sending, BUDGET_MS).then(() => null, describeFault)
      connection.close()
      await recordHeartbeat(service, readRedisState(paths), latest, late ?? failure)
    },
  }
}
