import type { Halt } from '../state/update-state.ts'
import { type Backoff, backoffMs, isWaitOver } from '../system/backoff.ts'

const BACKOFF: Backoff = { firstMs: 30_000, longestMs: 15 * 60_000 }

/** How long to wait after this many failures in a row. */
export function retryDelayMs(failures: number, computer: string): number {
  return backoffMs(BACKOFF, failures, computer)
}

/** Whether telec may retry a halted update now. */
export function mayRetryNow(halt: Halt, nowMs: number, computer: string): boolean {
  if (!halt.transient || halt.next_try_at === null) return false
  return isWaitOver(BACKOFF, halt.attempts, computer, halt.next_try_at, nowMs)
}
