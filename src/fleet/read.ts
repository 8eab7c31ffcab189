import * as v from 'valibot'
import { isoOfSeconds } from '../system/world.ts'
import { REFUSAL } from './decoder.ts'
import type { RedisClient } from './ioredis.ts'
import { COMPUTERS_KEY, isName, statusKey } from './keys.ts'
import { Pairs, Text } from './replies.ts'

const text = v.optional(v.nullable(v.string()), null)

/** A status as it is in Redis. Others write there, too, and older telecs: only the first two are always there. */
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

/** All computers that meet in one Redis. */
export interface Fleet {
  /** ISO 8601. */
  readonly taken_at: string
  readonly computers: readonly FleetMember[]
}

export interface FleetMember {
  readonly computer: string
  /** When it was last heard of, ISO 8601. */
  readonly heard_at: string
  /** Its last status; null: none, or one that cannot be understood. */
  readonly status: FleetStatus | null
}

/** So many keys are asked for in one go: together their statuses are less than a connection takes. */
const BATCH = 100
/** Of a status; what is longer is cut by Redis, and then none. */
const MOST_BYTES = 64 * 1024
/** Of a fleet, those that were heard of last. */
const MOST_COMPUTERS = 10_000

/** Every computer that was heard of, with its last status. Takes no SCAN: there is a list of them. */
export async function readFleet(client: RedisClient, nowMs: number): Promise<Fleet> {
  const known = await client.call(Pairs, 'ZRANGE', COMPUTERS_KEY, -MOST_COMPUTERS, -1, 'WITHSCORES')
  const members = known.filter(([computer]) => isName(computer)) // what is none was put there by somebody else
  const computers: FleetMember[] = []
  for (let from = 0; from < members.length; from += BATCH) {
    const batch = members.slice(from, from + BATCH).map(async ([computer, score]) => ({
      computer,
      heard_at: isoOfSeconds(score),
      status: parseStatus(await read(client, computer).catch(refusedOnly)),
    }))
    computers.push(...(await Promise.all(batch)))
  }
  return { taken_at: new Date(nowMs).toISOString(), computers }
}

function read(client: RedisClient, computer: string): Promise<string> {
  return client.call(Text, 'GETRANGE', statusKey(computer), 0, MOST_BYTES - 1)
}

/** What Redis refuses for one key (it holds a list, say) is no reason to see none of the others. */
function refusedOnly(error: unknown): null {
  if (error instanceof Error && error.name === REFUSAL) return null
  throw error
}

/** Null for what is no status: it breaks nobody else's view. */
export function parseStatus(reply: unknown): FleetStatus | null {
  const result = v.safeParse(v.pipe(v.string(), v.parseJson(), FleetStatusSchema), reply)
  return result.success ? result.output : null
}
