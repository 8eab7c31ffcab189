import { sha256 } from './hash.ts'

/** No wait is longer than `longestMs`. */
export type Backoff = Readonly<Record<'firstMs' | 'longestMs', number>>

/** Keeps the computers of a fleet from retrying all at once. */
const SPREAD = 0.2

/** How long to wait after this number of failures in a row; up to a fifth longer on some computers. Pure. */
export function backoffMs({ firstMs, longestMs }: Backoff, failures: number, computer: string): number {
  const delay = Math.min(firstMs * 2 ** Math.min(failures - 1, 20), longestMs / (1 + SPREAD))
  const spread = Number.parseInt(sha256(`${computer} ${failures}`).slice(0, 4), 16) / 0xffff
  return Math.round(delay * (1 + spread * SPREAD))
}

/** Whether the wait after the `failures`-th failure, which was to end at `until` (ISO 8601), is over. */
export function isWaitOver(
  backoff: Backoff,
  failures: number,
  computer: string,
  until: string,
  nowMs: number,
): boolean {
  const waitMs = Date.parse(until) - nowMs
  // Longer than our maximum: the clock was set back.
  return waitMs <= 0 || waitMs > backoffMs(backoff, failures, computer)
}
