import * as v from 'valibot'
import type { RedisClient } from './ioredis.ts'
import { Count } from './replies.ts'

/** One hash tag, so that a cluster keeps them together: who updates, who waits since when, who still does. */
const KEYS = [
  'deployment:{fleet}:updating',
  'deployment:{fleet}:waiting',
  'deployment:{fleet}:alive',
] as const

/** A computer that is gone frees its slot after that; one that works renews it in time. */
export const LEASE_S = 60
/** A computer that waits asks again at its next poll, which may be some minutes away. */
const WAIT_LEASE_S = 20 * 60

/**
 * Takes or renews a slot, by the server's own clock. Whoever came first is served first; who has not asked for long has
 * lost its place. A lease that is longer than any that is given is of a clock that was turned back. Answers {1, 0}, or {0, how many are ahead}.
 */
const TAKE = `
local now = tonumber(redis.call('TIME')[1])
local name, most, lease, wait = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + lease + 1, '+inf')
for _, range in ipairs({{'-inf', now}, {now + wait + 1, '+inf'}}) do
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], range[1], range[2])) do
    redis.call('ZREM', KEYS[2], gone)
    redis.call('ZREM', KEYS[3], gone)
  end
end
if not redis.call('ZSCORE', KEYS[1], name) then
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[2], 'NX', time[1] * 1000000 + time[2], name)
  redis.call('ZADD', KEYS[3], now + wait, name)
  local rank = redis.call('ZRANK', KEYS[2], name)
  local free = most - redis.call('ZCARD', KEYS[1])
  if rank >= free then return {0, rank - free + 1} end
end
redis.call('ZREM', KEYS[2], name)
redis.call('ZREM', KEYS[3], name)
redis.call('ZADD', KEYS[1], now + lease, name)
return {1, 0}
`

/** Whether it has one now, else how many are ahead. */
const Turn = v.strictTuple([v.picklist([0, 1]), Count])

/** @returns 0 where this computer has a slot now, else how many have to be done first. */
export async function takeSlot(client: RedisClient, computer: string, most: number): Promise<number> {
  const limits = [most, LEASE_S, WAIT_LEASE_S]
  const [taken, ahead] = await client.call(Turn, 'EVAL', TAKE, KEYS.length, ...KEYS, computer, ...limits)
  return taken === 1 ? 0 : Math.max(1, ahead)
}

/** @returns whether it had one, or a place among those that wait. */
export async function freeSlot(client: RedisClient, computer: string): Promise<boolean> {
  const removed = await Promise.all(KEYS.map((key) => client.call(Count, 'ZREM', key, computer)))
  return removed.some((count) => count > 0)
}
