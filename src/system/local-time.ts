/** A time, in ms or ISO 8601, in this computer's zone, as `git log --date=iso` prints it: `2030-01-31 14:05:09 +0100`. */
export function localTime(at: number | string): string {
  const time = new Date(at)
  const east = -time.getTimezoneOffset()
  const shifted = new Date(time.getTime() + east * 60_000)
  if (Number.isNaN(shifted.getTime())) return `${at}` // a user edited the file
  const [day, clock] = shifted.toISOString().split(/[T.]/)
  const zone = [Math.abs(east) / 60, Math.abs(east) % 60].map((n) => `${Math.floor(n)}`.padStart(2, '0'))
  return `${day} ${clock} ${east < 0 ? '-' : '+'}${zone.join('')}`
}
