import { afterEach, expect, test, vi } from 'vitest'
import { localTime } from '../../src/system/local-time.ts'

afterEach(() => vi.unstubAllEnvs())

test.each([
  ['UTC', '2026-01-31T23:05:09.999Z', '2026-01-31 23:05:09 +0000'],
  ['Europe/Vienna', '2026-01-31T23:05:09.000Z', '2026-02-01 00:05:09 +0100'],
  ['Europe/Vienna', '2026-07-31T23:05:09.000Z', '2026-08-01 01:05:09 +0200'],
  ['America/St_Johns', '2026-01-31T02:05:09.000Z', '2026-01-30 22:35:09 -0330'],
  ['Asia/Kathmandu', 0, '1970-01-01 05:30:00 +0530'],
  ['UTC', 'last week', 'last week'],
])('in %s it says of %s: %s', (zone, at, text) => {
  vi.stubEnv('TZ', zone)
  expect(localTime(at)).toBe(text)
  const seconds = (time: number | string) => Math.floor(new Date(time).getTime() / 1000)
  expect(seconds(text)).toBe(seconds(at))
})
