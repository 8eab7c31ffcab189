import { isoOfSeconds } from '../system/world.ts'
import { freeSlot } from './gate.ts'
import type { RedisClient } from './ioredis.ts'
import { COMPUTERS_KEY, HALTED_KEYS, statusKey } from './keys.ts'
import { Count, MaybeText, Texts } from './replies.ts'

/** The keys that were removed from Redis. */
export interface Forgotten {
  readonly computer: string
  /** When it reported last, ISO 8601; null: it was not in the list of computers. */
  readonly heard_at: string | null
  readonly status: boolean
  /** Its slot, or its place in the queue. */
  readonly turn: boolean
  /** The commits that it halted at: `fleet.hold_after_failures` counts them. */
  readonly halted_at: readonly string[]
}

/** Removes a computer from Redis; null: Redis does not know it. */
export async function forget(client: RedisClient, computer: string): Promise<Forgotten | null> {
  const removes = async (...command: readonly [string, string, ...string[]]) =>
    (await client.call(Count, ...command)) > 0
  const heard = await client.call(MaybeText, 'ZSCORE', COMPUTERS_KEY, computer)
  const isKnown = await removes('ZREM', COMPUTERS_KEY, computer)
  const status = await removes('DEL', statusKey(computer))
  const turn = await freeSlot(client, computer)
  const halted: string[] = []
  for (const key of await client.keys(`${HALTED_KEYS}*`))
    if (await removes('SREM', key, computer)) halted.push(key.slice(HALTED_KEYS.length))
  if (!isKnown && !status && !turn && halted.length === 0) return null
  const heard_at = isKnown ? isoOfSeconds(heard ?? '0') : null
  return { computer, heard_at, status, turn, halted_at: halted.toSorted() }
}

/** The names of all computers that ever reported. */
export function computersIn(client: RedisClient): Promise<string[]> {
  return client.call(Texts, 'ZRANGE', COMPUTERS_KEY, 0, -1)
}
