import type { RedisConfig } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { type RedisState, readRedisState, writeRedisState } from '../state/redis.ts'
import type { StatusRecord, StatusSink } from '../state/status.ts'
import { within } from '../system/limit.ts'
import { isoTime } from '../system/world.ts'
import { type Announcement, announce } from './announcements.ts'
import { describeFault, openRedis, withRedis } from './client.ts'
import type { RedisClient } from './ioredis.ts'
import { COMPUTERS_KEY, statusKey } from './keys.ts'
import { Count, Ok } from './replies.ts'

/** What a poll spends on Redis, and an update waits for it, at most: they have done their own work by then. */
const BUDGET_MS = 1_000

/** A computer is to be heard of that often, also when nothing happens on it. */
const HEARTBEAT_MS = 5 * 60_000

/** Tells a status from every other one. */
function statusId({ computer, status, timestamp, commit, step, problem, pinned }: StatusRecord): string {
  return [computer, timestamp, status, step, commit, problem ?? [], pinned ? 'pinned' : []].flat().join(' ')
}

/** Whether Redis lacks what is known here, or has not heard of this computer for long. Pure. */
export function isHeartbeatDue(link: RedisState, status: StatusRecord | null, nowMs: number): boolean {
  if (status !== null && link.sent !== statusId(status)) return true
  return Math.abs(nextHeartbeat(link) - HEARTBEAT_MS - nowMs) >= HEARTBEAT_MS // also after a clock that was ahead
}

/** When this computer is to be heard of next, if nothing happens, in milliseconds since 1970. Pure. */
export function nextHeartbeat(link: RedisState): number {
  return (link.reached_at ? Date.parse(link.reached_at) : 0) + HEARTBEAT_MS
}

/** Writes a status, and that this computer was heard of. */
async function sendStatus(client: RedisClient, record: StatusRecord, nowMs: number): Promise<void> {
  await Promise.all([
    client.call(Ok, 'SET', statusKey(record.computer), JSON.stringify(record)),
    client.call(Count, 'ZADD', COMPUTERS_KEY, Math.floor(nowMs / 1000), record.computer),
  ])
}

/**
 * Tells Redis what it does not know: a status that it did not take, that this computer is alive, a version that was just
 * found. What fails is recorded, said once, and tried again by the next poll.
 */
export async function sendHeartbeat(
  service: Service,
  status: StatusRecord | null,
  announcement: Announcement | null,
): Promise<void> {
  const { world, config, paths } = service
  const { redis } = config
  if (!redis) return
  const link = readRedisState(paths)
  const isDue = isHeartbeatDue(link, status, world.now())
  if (announcement === null && !isDue) return
  const sending = withRedis(redis, BUDGET_MS, async (client) => {
    if (status && isDue) await sendStatus(client, status, world.now())
    if (announcement) await announce(client, announcement)
  })
  await recordHeartbeat(service, link, status, await sending.then(() => null, describeFault))
}

/** Records what came of it; a fault is said once, and so is its end. */
async function recordHeartbeat(
  { world, paths }: Service,
  before: RedisState,
  sent: StatusRecord | null,
  failure: string | null,
): Promise<void> {
  if (failure === null) {
    if (before.failures > 0) world.log.notice(`Redis is back after ${before.failures} attempt(s)`)
    const id = sent === null ? before.sent : statusId(sent)
    return writeRedisState(paths, { sent: id, reached_at: isoTime(world), failures: 0, last_failure: null })
  }
  const say = before.failures === 0 ? world.log.warning : world.log.debug
  say(`Redis was not told: ${failure}; all goes on without it, and it is tried again`)
  return writeRedisState(paths, { ...before, failures: before.failures + 1, last_failure: failure })
}

/**
 * Sends each status to Redis, in their order, while the update goes on. Those that a Redis out of reach did not take are
 * sent with the next one; after the last one, telec-watch sends it when Redis is back.
 */
export function redisSink(service: Service, redis: RedisConfig): StatusSink {
  const { world, paths } = service
  let client: RedisClient | null = null
  const waiting: StatusRecord[] = []
  let latest: StatusRecord | null = null
  let failure: string | null = null
  let sending = Promise.resolve()
  let isBusy = false

  /** @returns why not all were sent; null where they were. */
  const send = async (): Promise<string | null> => {
    try {
      if (client === null) {
        client = openRedis(redis, BUDGET_MS)
        await client.ready()
      }
      for (let next = waiting[0]; next; next = waiting[0]) {
        await sendStatus(client, next, world.now())
        waiting.shift()
      }
      return null
    } catch (error) {
      client?.close()
      client = null
      return describeFault(error)
    }
  }
  const flush = async () => {
    isBusy = true
    const wasOpen = client !== null
    failure = await send()
    if (failure !== null && wasOpen) failure = await send() // the server may have been away meanwhile, and be back
    isBusy = false
  }
  return {
    publish(record) {
      latest = record
      waiting.push(record)
      if (!isBusy) sending = flush() // one that is at it takes this one, too
    },
    async close() {
      if (latest === null) return
      const late = await within(sending, BUDGET_MS).then(() => null, describeFault)
      client?.close()
      await recordHeartbeat(service, readRedisState(paths), latest, late ?? failure)
    },
  }
}
