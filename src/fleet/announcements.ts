import * as v from 'valibot'
import { fromJson } from '../system/schemas.ts'
import type { RedisClient } from './ioredis.ts'
import { ANNOUNCEMENTS_KEY } from './keys.ts'
import { type Entries, Id } from './replies.ts'

/** A hint to poll: only the git remote decides which version is deployed. */
export interface Announcement {
  readonly channel: string
  readonly version: string | null
  readonly from_version: string | null
  /** The computer that announces. */
  readonly daemon_id: string
  /** Seconds since 1970. */
  readonly timestamp: number
}

/** About how many entries the stream keeps. */
const KEPT = 1_000

/** Adds an announcement to the stream, in the form that telec's predecessors share. @returns its id. */
export async function announce(client: RedisClient, announcement: Announcement): Promise<string> {
  const { timestamp, ...properties } = announcement
  const event = { source: 'deployment', type: 'version_available', properties, timestamp }
  const text = JSON.stringify(event)
  return client.call(Id, 'XADD', ANNOUNCEMENTS_KEY, 'MAXLEN', '~', KEPT, '*', 'event', text)
}

export type Entry = v.InferOutput<typeof Entries>[number]

/** Whether a stream gave out `id` after `other`: `MILLISECONDS-NUMBER`, each as a number. */
export function isLaterId(id: string, other: string): boolean {
  const [ms = 0n, number = 0n] = id.split('-').map(BigInt)
  const [otherMs = 0n, otherNumber = 0n] = other.split('-').map(BigInt)
  return ms > otherMs || (ms === otherMs && number > otherNumber)
}

const EventSchema = v.object({
  type: v.literal('version_available'),
  properties: v.optional(
    v.object({ channel: v.optional(v.string()), daemon_id: v.optional(v.nullable(v.string())) }),
    {},
  ),
})

/** What an entry announces, which telec does not trust; null where it is no announcement. */
export function parseAnnouncement({ fields }: Entry): v.InferOutput<typeof EventSchema>['properties'] | null {
  return fromJson(EventSchema, fields.get('event'))?.properties ?? null
}
