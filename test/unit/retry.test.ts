import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Halt } from '../../src/state/update-state.ts'
import { mayRetryNow, retryDelayMs } from '../../src/update/retry.ts'
import { release } from '../helpers/commits.ts'

const SECOND_MS = 1_000
const HOUR_MS = 3_600_000
const LONGEST_MS = 15 * 60_000 // as docs/operating.md says
const NOON_MS = Date.parse('2026-05-04T12:00:00Z')

const attempts = fc.integer({ min: 1, max: 10_000 })
const computer = fc.string()

describe('the wait after a failure', () => {
  test('is at least half a minute and at most 15 minutes, however often it failed', () => {
    fc.assert(
      fc.property(attempts, computer, (count, name) => {
        const delay = retryDelayMs(count, name)
        expect(delay).toBeGreaterThanOrEqual(30 * SECOND_MS)
        expect(delay).toBeLessThanOrEqual(LONGEST_MS)
        expect(Number.isInteger(delay)).toBe(true)
      }),
    )
  })

  test('grows with each failure, to more than 12 minutes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), computer, (count, name) => {
        expect(retryDelayMs(count + 1, name)).toBeGreaterThan(retryDelayMs(count, name))
      }),
    )
    expect(retryDelayMs(8, 'studio')).toBeGreaterThanOrEqual(12 * 60_000)
  })

  test('is the same when it is worked out again', () => {
    expect(retryDelayMs(3, 'studio')).toBe(retryDelayMs(3, 'studio'))
  })

  test('differs between the computers of a fleet', () => {
    const delays = Array.from({ length: 20 }, (_, index) => retryDelayMs(1, `computer-${index}`))
    expect(new Set(delays).size).toBeGreaterThan(15)
  })
})

describe('a halted update', () => {
  const transient = (waitMs: number, count = 1): Halt => ({
    target: release('1.2.0'),
    step: 'fetch',
    error: 'the remote origin is out of reach',
    because: null,
    hint: null,
    go_on: 'telec-update --retry',
    migration: null,
    transient: true,
    at: new Date(NOON_MS).toISOString(),
    attempts: count,
    next_try_at: new Date(NOON_MS + waitMs).toISOString(),
  })

  test('is pending at its time, and not before', () => {
    const halt = transient(30 * SECOND_MS)
    expect(mayRetryNow(halt, NOON_MS + 29 * SECOND_MS, 'studio')).toBe(false)
    expect(mayRetryNow(halt, NOON_MS + 30 * SECOND_MS, 'studio')).toBe(true)
    expect(mayRetryNow(halt, NOON_MS + 365 * 24 * HOUR_MS, 'studio')).toBe(true)
  })

  test('with a lasting fault is never pending', () => {
    const permanent = { ...transient(0), transient: false, next_try_at: null }
    expect(mayRetryNow(permanent, NOON_MS + 365 * 24 * HOUR_MS, 'studio')).toBe(false)
  })

  test('is pending when the clock was turned back so far that it would wait for years', () => {
    const halt = transient(retryDelayMs(1, 'studio'))
    expect(mayRetryNow(halt, NOON_MS - 365 * 24 * HOUR_MS, 'studio')).toBe(true)
  })

  test('waits no longer than one delay, wherever the clock was set to', () => {
    fc.assert(
      fc.property(attempts, fc.integer({ min: -1e12, max: 1e12 }), (count, shiftMs) => {
        const delayMs = retryDelayMs(count, 'studio')
        const halt = transient(delayMs, count)
        const nowMs = NOON_MS + shiftMs
        if (!mayRetryNow(halt, nowMs, 'studio'))
          expect(NOON_MS + delayMs - nowMs).toBeLessThanOrEqual(delayMs)
      }),
    )
  })
})
