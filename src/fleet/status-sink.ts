import type { RedisConfig } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { readRedisState } from '../state/redis.ts'
import type { StatusRecord, StatusSink } from '../state/status.ts'
import { within } from '../system/limit.ts'
import { describeFault, openRedis } from './client.ts'
import { recordHeartbeat, sendStatus } from './heartbeat.ts'
import type { RedisClient } from './ioredis.ts'

/** What an update waits for Redis, in all. */
const BUDGET_MS = 1_000

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
