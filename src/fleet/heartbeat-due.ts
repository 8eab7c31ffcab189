import type { Link } from '../state/redis.ts'
import type { StatusRecord } from '../state/status.ts'

/** A computer is to be heard of that often, also when nothing happens on it. */
const HEARTBEAT_MS = 5 * 60_000

/** Tells a status from every other one of the same computer. */
export function statusId({ status, timestamp, commit, step }: StatusRecord): string {
  return [timestamp, status, step, commit].join(' ')
}

/** Whether Redis lacks what is known here, or has not heard of this computer for long. Pure. */
export function isContactDue(link: Link | null, status: StatusRecord | null, nowMs: number): boolean {
  if (status !== null && link?.sent !== statusId(status)) return true
  return Math.abs(nextContact(link) - HEARTBEAT_MS - nowMs) >= HEARTBEAT_MS // also after a clock that was ahead
}

/** When this computer is to be heard of next, if nothing happens, in milliseconds since 1970. Pure. */
export function nextContact(link: Link | null): number {
  return (link?.reached_at ? Date.parse(link.reached_at) : 0) + HEARTBEAT_MS
}
