import { createHash } from 'node:crypto'
import type { Halt } from './journal.ts'

const FIRST_DELAY_MS = 30_000
const LONGEST_DELAY_MS = 60 * 60_000

/**
 * How long to wait after the `attempts`-th failure in a row: doubling from half a minute to an hour, plus up to
 * a fifth that depends on the computer, so that a fleet does not come back all at once. Pure.
 */
export function retryDelayMs(attempts: number, computer: string): number {
  const delay = Math.min(FIRST_DELAY_MS * 2 ** Math.min(attempts - 1, 20), LONGEST_DELAY_MS)
  const spread = createHash('sha256').update(`${computer} ${attempts}`).digest().readUInt16BE(0) / 0xffff
  return Math.round(delay * (1 + spread / 5))
}

/** Whether a halted update may be tried again by itself now. */
export function isDue(halt: Halt, nowMs: number, computer: string): boolean {
  if (!halt.transient || halt.next_try_at === null) return false
  const waitMs = Date.parse(halt.next_try_at) - nowMs
  // A wait that is longer than any that telec sets comes from a clock that was turned back.
  return waitMs <= 0 || waitMs > retryDelayMs(halt.attempts, computer)
}
