import type { RedisClient } from './client.ts'
import { ANNOUNCEMENTS_KEY } from './keys.ts'

/** Says that a version may be there. It is a hint to poll: what is deployed is decided from the git remote alone. */
export interface Announcement {
  readonly channel: string
  readonly version: string | null
  readonly from_version: string | null
  /** Which computer says so. */
  readonly daemon_id: string
  /** Seconds since 1970. */
  readonly timestamp: number
}

/** The stream is trimmed to about so many. */
const KEPT = 1_000

/** Adds an announcement to the stream, in the form that other readers and writers of it use. @returns its id. */
export async function announce(client: RedisClient, announcement: Announcement): Promise<string> {
  const { timestamp, ...properties } = announcement
  const event = { source: 'deployment', type: 'version_available', properties, timestamp }
  return String(
    await client.call('XADD', ANNOUNCEMENTS_KEY, 'MAXLEN', '~', KEPT, '*', 'event', JSON.stringify(event)),
  )
}
