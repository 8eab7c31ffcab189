/** Hours in which updates are applied, in local time. */
export interface Window {
  /** The days on which it opens. 0 is Sunday. */
  readonly days: readonly number[]
  /** Minutes after midnight. */
  readonly from: number
  /** On the next day if it is not later than `from`. */
  readonly to: number
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const MINUTES_A_DAY = 24 * 60
const MINUTE_MS = 60_000

/** `Mon-Fri 02:00-05:00`, `Sat,Sun 22:00-04:00`, `02:00-05:00` (every day); null: invalid. */
export function parseWindow(text: string): Window | null {
  const [, names, from, to] = /^(?:([a-z,-]+) )?(\d\d:\d\d)-(\d\d:\d\d)$/i.exec(text.trim()) ?? []
  const days = names === undefined ? DAYS.map((_, index) => index) : parseDays(names.toLowerCase())
  const [opens, closes] = [parseTime(from), parseTime(to)]
  if (days === null || opens === null || closes === null) return null
  return opens === closes || opens === MINUTES_A_DAY ? null : { days, from: opens, to: closes }
}

function parseDays(names: string): number[] | null {
  const days: number[] = []
  for (const part of names.split(',')) {
    const [first = '', last = first, more] = part.split('-')
    const [begin, end] = [DAYS.indexOf(first), DAYS.indexOf(last)]
    if (begin < 0 || end < 0 || more !== undefined) return null
    for (let day = begin; ; day = (day + 1) % 7) {
      days.push(day)
      if (day === end) break
    }
  }
  return days
}

function parseTime(text = ''): number | null {
  const [hours = Number.NaN, minutes = Number.NaN] = text.split(':').map(Number)
  const time = hours * 60 + minutes
  return minutes < 60 && time <= MINUTES_A_DAY ? time : null
}

export function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: zone })
    return true
  } catch {
    return false
  }
}

interface Windowed {
  readonly deployment: { readonly window: readonly string[]; readonly timezone?: string | undefined }
}

/** When the configured window opens. Null: it is open, or none is configured. */
export function windowOpensAt({ deployment }: Windowed, nowMs: number): Date | null {
  const windows = deployment.window.flatMap((text) => parseWindow(text) ?? [])
  if (windows.length === 0) return null
  const atMs = opensAt(windows, deployment.timezone, nowMs)
  return atMs > nowMs ? new Date(atMs) : null
}

/** Offsets from UTC change only at quarters of an hour. */
const OFFSET_MS = 15 * MINUTE_MS
const LONGEST_WAIT_MS = 8 * 24 * 60 * MINUTE_MS

/** When one of these windows is open next, from `nowMs` on. Pure. @param zone undefined: the computer's own. */
export function opensAt(windows: readonly Window[], zone: string | undefined, nowMs: number): number {
  const offsetAt = offsets(zone)
  for (let ms = nowMs; ms < nowMs + LONGEST_WAIT_MS; ) {
    const blockEnd = (Math.floor(ms / OFFSET_MS) + 1) * OFFSET_MS
    const offset = offsetAt(ms)
    for (; ms < blockEnd; ms = (Math.floor(ms / MINUTE_MS) + 1) * MINUTE_MS)
      if (windows.some((window) => isWithin(window, new Date(ms + offset)))) return ms
  }
  throw new Error('a window never opens') // parseWindow refuses it
}

/** @param local local time, as if it were UTC. */
function isWithin({ days, from, to }: Window, local: Date): boolean {
  const time = local.getUTCHours() * 60 + local.getUTCMinutes()
  const today = local.getUTCDay()
  if (from < to) return days.includes(today) && time >= from && time < to
  const yesterday = (today + 6) % 7
  return (days.includes(today) && time >= from) || (days.includes(yesterday) && time < to)
}

/** How far local time is ahead of UTC, in milliseconds. */
function offsets(timeZone: string | undefined): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  return (ms) => {
    const [, sign, hours, minutes] = /GMT([+-])(\d\d):(\d\d)/.exec(format.format(ms)) ?? []
    return Number(`${sign ?? ''}1`) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * MINUTE_MS
  }
}
