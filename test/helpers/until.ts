/** Between two looks; short beside what tests wait for, long beside what a look costs. */
const INTERVAL_MS = 25

/**
 * The only place where tests wait by the clock: for what cannot be awaited as an event. Gives the probe's first value
 * that is neither `undefined` nor `false`. A probe that throws counts as not there yet.
 */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false>,
  { timeoutMs = 60_000 }: { timeoutMs?: number } = {},
): Promise<T> {
  const end = performance.now() + timeoutMs
  for (;;) {
    let seen: unknown
    try {
      const value = await probe()
      if (value !== undefined && value !== false) return value
      seen = value
    } catch (error) {
      seen = error
    }
    if (performance.now() >= end) {
      const last = seen instanceof Error ? seen.message : JSON.stringify(seen)
      throw new Error(`waited ${timeoutMs} ms for ${what}; last seen: ${last}`, { cause: seen })
    }
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS))
  }
}
