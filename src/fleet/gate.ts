import { nameOf, type Target } from '../channel/target.ts'
import type { Service } from '../config/service.ts'
import { TelecError } from '../system/errors.ts'
import { every } from '../system/limit.ts'
import type { World } from '../system/world.ts'
import { describeFault, openRedis, redisFault } from './client.ts'
import type { RedisClient } from './ioredis.ts'
import { HALTED_KEYS, isName } from './keys.ts'
import { Count, Texts } from './replies.ts'
import { freeSlot, LEASE_S, takeSlot } from './slots.ts'

const TIMEOUT_MS = 2_000
/** The lock is held meanwhile; after that the next poll asks again, and the place in the queue is kept. */
const WAIT_MS = 60_000
const ASK_EVERY_MS = 1_000

/** A version that nobody takes any more is forgotten. */
const FORGOTTEN_AFTER_S = 30 * 24 * 3_600

/** The computers that halted on the way to this version, or went back from it. */
function haltedKey({ commit }: Target): string {
  return `${HALTED_KEYS}${commit}`
}

/** What holds the updates of a fleet back: how many go on at once, and a version at which others have halted. */
export interface Gate {
  /** Tells the others how it ended, and lets the next one in; `restart`: in another process, which keeps its slot. */
  leave(how: 'updated' | 'halted' | 'later' | 'restart'): Promise<void>
}

export interface Turn {
  /** A person wants it now, whatever the others do. */
  readonly isForced: boolean
  /** A person pinned it, or it has begun to change the checkout: others who halted are no reason not to take it. */
  readonly isSettled: boolean
  /** What a person goes back from, which does not speak for it. */
  readonly leaves: Target | null
}

const OPEN: Gate = { leave: async () => undefined }

/**
 * Waits for this computer's turn. Throws `later` where it is not yet. Without Redis nothing is held, unless the
 * configuration says to wait for it (`fleet.without_redis`).
 */
export async function passGates(
  { world, config }: Service,
  target: Target,
  { isForced, isSettled, leaves }: Turn,
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
        const left = await takeSlot(client, computer, most).catch(() => null)
        if (left !== null) return
        client.close() // the server was away: the slot is taken again as soon as it is back
        client = openRedis(redis, TIMEOUT_MS)
        await client.ready().catch(() => undefined)
      })
    }
  } catch (error) {
    client.close()
    if (error instanceof TelecError || fleet.without_redis === 'wait')
      return redisFault(
        'Redis is out of reach, and fleet.without_redis is wait',
        'it is tried again by itself; now, whatever the others do: telec-update --now',
      )(error)
    world.log.warning(`the fleet was not asked: ${describeFault(error)}; the update goes on without it`)
    return OPEN
  }
  return {
    async leave(how) {
      stopRenewing()
      try {
        if (how === 'updated') await client.call(Count, 'SREM', haltedKey(target), computer)
        const bad = how === 'halted' ? target : how === 'updated' ? leaves : null
        if (bad) {
          await client.call(Count, 'SADD', haltedKey(bad), computer)
          await client.call(Count, 'EXPIRE', haltedKey(bad), FORGOTTEN_AFTER_S)
        }
        if (how !== 'restart') await freeSlot(client, computer)
      } catch (error) {
        world.log.warning(`the fleet was not told: ${describeFault(error)}`) // the lease ends by itself
      } finally {
        client.close()
      }
    },
  }
}

/** A version that others could not take is not taken: it may mend itself by the next one. */
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
    `held: ${halted.length} computer(s) halted on the way to ${nameOf(target)}, or went back from it`,
    {
      because: halted.toSorted().slice(0, 10).join(', '),
      hint: 'push what mends it; to take it all the same: telec-update --now',
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
    const what = `waiting with ${nameOf(target)} for a slot: ${most} computer(s) may update at once, ${ahead} to go`
    world.log.progress(what)
    if (world.monotonic() > deadline)
      throw new TelecError('later', what, { hint: 'it is its turn by itself; now: telec-update --now' })
    await world.sleep(ASK_EVERY_MS)
  }
}
