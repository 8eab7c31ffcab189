import { describe, expect, test } from 'vitest'
import { isTimeZone, opensAt, parseWindow, type Window } from '../../src/config/weekly-hours.ts'

const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6]

describe('parseWindow', () => {
  test.each<[string, Window]>([
    ['Mon-Fri 02:00-05:00', { days: [1, 2, 3, 4, 5], from: 120, to: 300 }],
    ['02:00-05:00', { days: EVERY_DAY, from: 120, to: 300 }],
    ['Sat,Sun 22:00-04:00', { days: [6, 0], from: 1320, to: 240 }],
    ['fri-mon,WED 00:00-24:00', { days: [5, 6, 0, 1, 3], from: 0, to: 1440 }],
    ['Tue 23:59-00:00', { days: [2], from: 1439, to: 0 }],
  ])('%s', (text, window) => {
    expect(parseWindow(text)).toEqual(window)
  })

  test.each([
    '',
    'Mon-Fri',
    '2:00-5:00',
    '02:00',
    '02:00-25:00',
    '02:60-03:00',
    '24:00-05:00',
    '05:00-05:00',
    'Monday 02:00-05:00',
    'Mon-Tue-Wed 02:00-05:00',
    'Mon Tue 02:00-05:00',
    'Mo-Fr 02:00-05:00',
    ',Mon 02:00-05:00',
    '02:00-05:00 Europe/Berlin',
  ])('%j is none', (text) => {
    expect(parseWindow(text)).toBeNull()
  })
})

test.each([
  ['Europe/Berlin', true],
  ['UTC', true],
  ['America/Argentina/Buenos_Aires', true],
  ['Berlin', false],
  ['', false],
  ['Europe/Berlin; rm', false],
])('%s is a time zone: %s', (zone, is) => {
  expect(isTimeZone(zone)).toBe(is)
})

const opens = (texts: string[], zone: string, now: string) => {
  const windows = texts.flatMap((text) => parseWindow(text) ?? [])
  return new Date(opensAt(windows, zone, Date.parse(now))).toISOString()
}

describe('opensAt', () => {
  test.each([
    // 2026-11-20 is a Friday.
    ['within', ['Mon-Fri 02:00-05:00'], 'UTC', '2026-11-20T03:00:12Z', '2026-11-20T03:00:12.000Z'],
    ['before', ['Mon-Fri 02:00-05:00'], 'UTC', '2026-11-20T01:00:12Z', '2026-11-20T02:00:00.000Z'],
    ['its end is no part of it', ['02:00-05:00'], 'UTC', '2026-11-20T05:00:00Z', '2026-11-21T02:00:00.000Z'],
    ['over the weekend', ['Mon-Fri 02:00-05:00'], 'UTC', '2026-11-20T05:00:00Z', '2026-11-23T02:00:00.000Z'],
    [
      'the next of several',
      ['Mon 02:00-05:00', 'Sun 10:00-11:00'],
      'UTC',
      '2026-11-20T05:00:00Z',
      '2026-11-22T10:00:00.000Z',
    ],
    [
      'after midnight, of the day before',
      ['Fri 22:00-04:00'],
      'UTC',
      '2026-11-21T03:00:00Z',
      '2026-11-21T03:00:00.000Z',
    ],
    [
      'not after midnight of a day without',
      ['Sat 22:00-04:00'],
      'UTC',
      '2026-11-21T03:00:00Z',
      '2026-11-21T22:00:00.000Z',
    ],
    [
      'in another zone',
      ['02:00-05:00'],
      'America/New_York',
      '2026-11-20T00:00:00Z',
      '2026-11-20T07:00:00.000Z',
    ],
    [
      'in a zone of half hours',
      ['02:00-05:00'],
      'Asia/Kathmandu',
      '2026-11-20T00:00:00Z',
      '2026-11-20T20:15:00.000Z',
    ],
    ['a whole week ahead', ['Fri 02:00-02:01'], 'UTC', '2026-11-20T02:01:00Z', '2026-11-27T02:00:00.000Z'],
    // Clocks go from 02:00 to 03:00 on 2026-03-29 in Berlin, and from 03:00 back to 02:00 on 2026-10-25.
    [
      'in an hour that is skipped',
      ['02:15-05:00'],
      'Europe/Berlin',
      '2026-03-29T00:00:00Z',
      '2026-03-29T01:00:00.000Z',
    ],
    [
      'wholly in it: the day after',
      ['02:15-02:45'],
      'Europe/Berlin',
      '2026-03-29T00:00:00Z',
      '2026-03-30T00:15:00.000Z',
    ],
    [
      'in an hour that comes twice',
      ['02:15-02:45'],
      'Europe/Berlin',
      '2026-10-25T00:50:00Z',
      '2026-10-25T01:15:00.000Z',
    ],
  ])('%s', (_, texts, zone, now, expected) => {
    expect(opens(texts, zone, now)).toBe(expected)
  })

  test('agrees with a clock that is looked at every minute', () => {
    let seed = 7
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      return seed % below
    }
    const zones = ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Pacific/Apia']
    const names = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
    const two = (n: number) => String(n).padStart(2, '0')
    for (let round = 0; round < 60; round += 1) {
      const zone = zones[round % zones.length] ?? 'UTC'
      const day = names[random(7)] ?? ''
      const [from, to] = [`${two(random(24))}:${two(random(60))}`, `${two(random(24))}:${two(random(60))}`]
      const window = parseWindow(`${day} ${from}-${to}`)
      if (!window) continue
      const now = Date.UTC(2026, random(12), 1 + random(28), random(24), random(60))
      expect(opensAt([window], zone, now), `${day} ${from}-${to} ${zone} ${now}`).toBe(
        naive(day, from, to, zone, now),
      )
    }
  })
})

/** By the words of a clock that shows weekday and time, in steps of a minute. */
function naive(day: string, from: string, to: string, zone: string, now: number): number {
  const clock = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
  const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
  for (let ms = now; ; ms += 60_000) {
    const [weekday = '', time = ''] = clock.format(ms).split(/,? /)
    const dayBefore = days[(days.indexOf(weekday) + 6) % 7]
    const isOpen =
      from < to
        ? weekday === day && time >= from && time < to
        : (weekday === day && time >= from) || (dayBefore === day && time < to)
    if (isOpen) return ms
  }
}
