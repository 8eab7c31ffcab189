/** The longest single timer: where much more time has passed at its end, the computer was asleep. */
const SLICE_MS = 5_000

/** Acts once the computer was awake for `ms`: a closed lid is not the fault of a command. @returns how to cancel. */
export function afterAwake(ms: number, act: () => void): () => void {
  let remainingMs = ms
  let sinceMs = performance.now()
  let timer: NodeJS.Timeout
  const wait = () => {
    timer = setTimeout(look, Math.min(remainingMs, SLICE_MS))
  }
  const look = () => {
    const nowMs = performance.now()
    remainingMs -= Math.min(nowMs - sinceMs, 2 * SLICE_MS)
    sinceMs = nowMs
    if (remainingMs > 0) wait()
    else act()
  }
  wait()
  return () => clearTimeout(timer)
}
