import * as v from 'valibot'
import { nameOf, type Target } from '../channel/target.ts'
import type { Service } from '../config/service.ts'
import { TelecError } from '../system/errors.ts'
import { every } from '../system/limit.ts'
import { count } from '../system/plural.ts'
import type { World } from '../system/world.ts'
import { describeFault, openRedis, redisFault } from './client.ts'
import type { RedisClient } from './ioredis.ts'
import { HALTED_KEYS, isName } from './keys.ts'
import { Count, Texts } from './replies.ts'

const TIMEOUT_MS = 2_000
/** telec's lock is held meanwhile; after this the next poll asks again, and the computer keeps its place in the queue. */
const WAIT_MS = 60_000
const ASK_EVERY_MS = 1_000
/** Redis forgets the halts of a version that no computer tries. */
const FORGOTTEN_AFTER_S = 30 * 24 * 3_600

/** One hash tag, so that a cluster keeps them together: who updates, who waits since when, who still asks. */
const SLOT_KEYS = [
  'deployment:{fleet}:updating',
  'deployment:{fleet}:waiting',
  'deployment:{fleet}:alive',
] as const
/** A computer that dies frees its slot after this; one that works renews it in time. */
const LEASE_S = 60
/** A computer that waits asks again at its next poll, which may be some minutes away. */
const WAIT_LEASE_S = 20 * 60

/** Limits the updates of a fleet: how many run at once, and none to a version at which others halted. */
export interface Gate {
  /** Tells the fleet how the update ended, and frees the slot; `restart`: another process resumes, and keeps it. */
  release(how: 'updated' | 'halted' | 'later' | 'restart'): Promise<void>
}

export interface Turn {
  /** The user wants it now: `--now`, or a rollback. */
  readonly isForced: boolean
  /** It is pinned, or under way: halts of others do not hold it. */
  readonly isSettled: boolean
  /** The version that the user rolls back: it counts as halted here. */
  readonly rolledBack: Target | null
}

const OPEN: Gate = { release: async () => undefined }

/** Waits for this computer's turn; throws `later` where it does not come. `fleet.without_redis` decides without Redis. */
export async function passGates(
  { world, config }: Service,
  target: Target,
  { isForced, isSettled, rolledBack }: Turn,
): Promise<Gate> {
  const { fleet, redis, computer } = config
  const { max_updating: most, hold_after_failures: tolerated } = fleet ?? {}
  if (!fleet || !redis || !(most ?? tolerated)) return OPEN
  let client = openRedis(redis, TIMEOUT_MS)
  let stopRenewing: () => void = () => undefined
  try {
    await client.ready()
    if (tolerated !== undefined && !isForced && !isSettled)
      await verifyOthersAreWell(client, computer, target, tolerated)
    if (most !== undefined && !isForced) {
      await waitForSlot(world, client, computer, target, most)
      stopRenewing = every((LEASE_S * 1_000) / 6, async () => {
        const renewed = await takeSlot(client, computer, most).catch(() => null)
        if (renewed !== null) return
        client.close()
        client = openRedis(redis, TIMEOUT_MS)
        await client.ready().catch(() => undefined)
      })
    }
  } catch (error) {
    client.close()
    if (error instanceof TelecError || fleet.without_redis === 'wait')
      return redisFault(
        'Redis is out of reach, and fleet.without_redis is wait',
        'wait, or update without the fleet: telec-update --now',
      )(error)
    world.log.warning(`cannot ask the fleet: ${describeFault(error)}; the update runs without it`)
    return OPEN
  }
  return {
    async release(how) {
      stopRenewing()
      try {
        if (how === 'updated') await client.call(Count, 'SREM', haltedKey(target), computer)
        const bad = how === 'halted' ? target : how === 'updated' ? rolledBack : null
        if (bad) {
          await client.call(Count, 'SADD', haltedKey(bad), computer)
          await client.call(Count, 'EXPIRE', haltedKey(bad), FORGOTTEN_AFTER_S)
        }
        if (how !== 'restart') await freeSlot(client, computer)
      } catch (error) {
        world.log.warning(`cannot tell the fleet: ${describeFault(error)}`)
      } finally {
        client.close()
      }
    },
  }
}

/** The computers that halted at this version, or rolled it back. */
function haltedKey({ commit }: Target): string {
  return `${HALTED_KEYS}${commit}`
}

async function verifyOthersAreWell(
  client: RedisClient,
  computer: string,
  target: Target,
  most: number,
): Promise<void> {
  if ((await client.call(Count, 'SCARD', haltedKey(target))) < most) return
  const halted = (await client.call(Texts, 'SMEMBERS', haltedKey(target))).filter(isName)
  if (halted.includes(computer) || halted.length < most) return
  throw new TelecError(
    'later',
    `held: ${count(halted.length, 'computer')} halted at ${nameOf(target)}, or rolled it back`,
    {
      because: halted.toSorted().slice(0, 10).join(', '),
      hint: 'push a fix, or take it all the same: telec-update --now',
    },
  )
}

async function waitForSlot(
  world: World,
  client: RedisClient,
  computer: string,
  target: Target,
  most: number,
): Promise<void> {
  const deadline = world.monotonic() + WAIT_MS
  for (;;) {
    const ahead = await takeSlot(client, computer, most)
    if (ahead === 0) return world.log.progress(null)
    const what = `waiting for a slot to update to ${nameOf(target)}: ${most} at once, ${ahead} ahead`
    world.log.progress(what)
    if (world.monotonic() > deadline)
      throw new TelecError('later', what, { hint: 'wait, or update now: telec-update --now' })
    await world.sleep(ASK_EVERY_MS)
  }
}

/**
 * Takes or renews a slot, by the server's clock: first come, first served, and a computer that stopped asking loses its
 * place. A lease longer than our maximum: the server's clock was set back. Answers {1, 0}, or {0, how many are ahead}.
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
const Taken = v.strictTuple([v.picklist([0, 1]), Count])

/** @returns 0 where this computer has a slot now, else how many are ahead of it. */
async function takeSlot(client: RedisClient, computer: string, most: number): Promise<number> {
  const limits = [most, LEASE_S, WAIT_LEASE_S]
  const [taken, ahead] = await client.call(
    Taken,
    'EVAL',
    TAKE,
    SLOT_KEYS.length,
    ...SLOT_KEYS,
    computer,
    ...limits,
  )
  return taken === 1 ? 0 : Math.max(1, ahead)
}

/** @returns whether the computer had a slot, or waited. */
export async function freeSlot(client: RedisClient, computer: string): Promise<boolean> {
  const removed = await Promise.all(SLOT_KEYS.map((key) => client.call(Count, 'ZREM', key, computer)))
  return removed.some((number) => number > 0)
}
