import * as v from 'valibot'
import { fromJson } from '../system/schemas.ts'
import { isoOfSeconds } from '../system/world.ts'
import { REFUSAL } from './decoder.ts'
import type { RedisClient } from './ioredis.ts'
import { COMPUTERS_KEY, isName, statusKey } from './keys.ts'
import { Pairs, Text } from './replies.ts'

const text = v.optional(v.nullable(v.string()), null)

/** A status in Redis. Older telecs and other programs write there, too: only the first two keys are certain. */
const FleetStatusSchema = v.object({
  status: v.string(),
  /** Seconds since 1970. */
  timestamp: v.pipe(v.number(), v.finite()),
  channel: text,
  from: text,
  version: text,
  commit: text,
  step: text,
  error: text,
  migration: text,
  duration_ms: v.optional(v.nullable(v.number()), null),
  telec: text,
  problem: text,
  pinned: v.fallback(v.optional(v.boolean(), false), false),
  commits: v.fallback(
    v.optional(v.nullable(v.object({ subjects: v.array(v.string()), more: v.number() })), null),
    null,
  ),
  runs: v.fallback(v.optional(v.nullable(v.object({ version: text, commit: text })), null), null),
})

type FleetStatus = v.InferOutput<typeof FleetStatusSchema>

export interface Fleet {
  /** ISO 8601. */
  readonly taken_at: string
  readonly computers: readonly FleetMember[]
}

export interface FleetMember {
  readonly computer: string
  /** When it reported last, ISO 8601. */
  readonly heard_at: string
  /** Null: none, or an invalid one. */
  readonly status: FleetStatus | null
}

/** Keys per round: their statuses together stay below the limit of a connection. */
const BATCH = 100
/** Redis cuts a longer status, which is then invalid. */
const MOST_BYTES = 64 * 1024
/** Those that reported last. */
const MOST_COMPUTERS = 10_000

/** Every computer with its last status. */
export async function readFleet(client: RedisClient, nowMs: number): Promise<Fleet> {
  const known = await client.call(Pairs, 'ZRANGE', COMPUTERS_KEY, -MOST_COMPUTERS, -1, 'WITHSCORES')
  const members = known.filter(([computer]) => isName(computer))
  const computers: FleetMember[] = []
  for (let from = 0; from < members.length; from += BATCH) {
    const batch = members.slice(from, from + BATCH).map(async ([computer, score]) => ({
      computer,
      heard_at: isoOfSeconds(score),
      status: parseStatus(
        await client.call(Text, 'GETRANGE', statusKey(computer), 0, MOST_BYTES - 1).catch(refusedOnly),
      ),
    }))
    computers.push(...(await Promise.all(batch)))
  }
  return { taken_at: new Date(nowMs).toISOString(), computers }
}

/** One key that Redis refuses to read (it holds a list, say) hides no other. */
function refusedOnly(error: unknown): null {
  if (error instanceof Error && error.name === REFUSAL) return null
  throw error
}

export function parseStatus(reply: unknown): FleetStatus | null {
  return fromJson(FleetStatusSchema, reply)
}
