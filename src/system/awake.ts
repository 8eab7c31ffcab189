/** No slice of a wait is longer: where much more has passed at its end, the computer slept. */
const SLICE_MS = 5_000

/**
 * Acts after `ms` in which the computer was awake, whatever the clock counts: that somebody closed the lid is no fault of a
 * command. @returns what calls it off.
 */
export function afterAwake(ms: number, act: () => void): () => void {
  let leftMs = ms
  let sinceMs = performance.now()
  let timer: NodeJS.Timeout
  const wait = () => {
    timer = setTimeout(look, Math.min(leftMs, SLICE_MS))
  }
  const look = () => {
    const nowMs = performance.now()
    leftMs -= Math.min(nowMs - sinceMs, 2 * SLICE_MS)
    sinceMs = nowMs
    if (leftMs > 0) wait()
    else act()
  }
  wait()
  return () => clearTimeout(timer)
}
