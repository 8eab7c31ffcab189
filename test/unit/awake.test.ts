import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { afterAwake } from '../../src/system/awake.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

test.each([1, 4_999, 5_000, 60_000, 86_400_000])('acts once after %i ms', (ms) => {
  const act = vi.fn()
  afterAwake(ms, act)
  vi.advanceTimersByTime(ms - 1)
  expect(act).toHaveBeenCalledTimes(0)
  vi.advanceTimersByTime(2 * ms)
  expect(act).toHaveBeenCalledTimes(1)
})

test('is called off', () => {
  const act = vi.fn()
  const callOff = afterAwake(7_000, act)
  vi.advanceTimersByTime(6_000)
  callOff()
  vi.advanceTimersByTime(60_000)
  expect(act).not.toHaveBeenCalled()
})

test('a sleep counts for a moment of it at most', () => {
  const act = vi.fn()
  const awake = performance.now.bind(performance)
  let sleptMs = 0
  vi.spyOn(performance, 'now').mockImplementation(() => awake() + sleptMs)
  afterAwake(60_000, act)
  vi.advanceTimersByTime(4_000)
  sleptMs = 8 * 3_600_000
  vi.advanceTimersByTime(40_000)
  expect(act).not.toHaveBeenCalled()
  vi.advanceTimersByTime(20_000)
  expect(act).toHaveBeenCalledTimes(1)
})
