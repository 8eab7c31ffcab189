import { sha256 } from './hash.ts'

export type Backoff = Readonly<Record<'firstMs' | 'longestMs', number>>

/** How long to wait after that many failures in a row; up to a fifth of it spreads the computers of a fleet. Pure. */
export function backoffMs({ firstMs, longestMs }: Backoff, attempts: number, computer: string): number {
  const delay = Math.min(firstMs * 2 ** Math.min(attempts - 1, 20), longestMs)
  const spread = Number.parseInt(sha256(`${computer} ${attempts}`).slice(0, 4), 16) / 0xffff
  return Math.round(delay * (1 + spread / 5))
}

/** Whether the wait after the `attempts`-th failure, which was to end at `until` (ISO 8601), is over. */
export function isWaitOver(
  backoff: Backoff,
  attempts: number,
  computer: string,
  until: string,
  nowMs: number,
): boolean {
  const waitMs = Date.parse(until) - nowMs
  // A wait that is longer than any that telec sets comes from a clock that was turned back.
  return waitMs <= 0 || waitMs > backoffMs(backoff, attempts, computer)
}
