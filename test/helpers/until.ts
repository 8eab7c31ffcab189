/** Between two looks at least; short beside what tests wait for. */
const INTERVAL_MS = 25
/** A look into a box costs more: looking takes at most a fourth of the waiting time. */
const PAUSE_PER_LOOK = 3

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
    const lookedAt = performance.now()
    try {
      const value = await probe()
      if (value !== undefined && value !== false) return value
      seen = value
    } catch (error) {
      seen = error
    }
    const now = performance.now()
    if (now >= end) {
      const last = seen instanceof Error ? seen.message : JSON.stringify(seen)
      throw new Error(`waited ${timeoutMs} ms for ${what}; last seen: ${last}`, { cause: seen })
    }
    const pauseMs = Math.max(INTERVAL_MS, PAUSE_PER_LOOK * (now - lookedAt))
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}
