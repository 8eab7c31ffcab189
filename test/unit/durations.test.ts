import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDuration } from '../../src/config/values.ts'

test.each([
  ['5s', 5_000],
  ['90s', 90_000],
  ['5m', 300_000],
  ['2h', 7_200_000],
  ['1d', 86_400_000],
  ['250ms', 250],
  ['1.5h', 5_400_000],
  ['0s', 0],
  [' 5 s ', 5_000],
])('%j is %d ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

test.each(['', '5', 's', '-5s', '5 seconds', '5S', '1h30m', '1e3s', '.5s', '5s\n6s', 'Infinitys'])(
  '%j is no time',
  (text) => {
    expect(parseDuration(text)).toBeNull()
  },
)

test('any text is none, or a number of milliseconds that is not negative', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{1,6}(\.\d{1,3})? ?(ms|s|m|h|d)$/)), (text) => {
      const ms = parseDuration(text)
      if (ms !== null) expect(ms).toBeGreaterThanOrEqual(0)
    }),
  )
})
