/** What is kept of a migration's output, for the message of a failure. */
const TAIL_LINES = 20
/** More is not logged: a log is no place for a flood. */
const LOGGED_LINES = 1_000
/** A migration that prints more than that has failed. */
const FLOOD_BYTES = 16 * 1024 * 1024
const LONGEST_LINE = 500

/** The output of one call: passed on line by line, its end kept, its amount bounded. */
export interface Output {
  add(chunk: Buffer): void
  /** The last lines. */
  tail(): string
  isFlood(): boolean
}

export function collectOutput(onLine: (line: string) => void, onFlood: () => void): Output {
  let rest = ''
  let bytes = 0
  let lines = 0
  let tail: string[] = []
  const take = (line: string) => {
    const shown = line.slice(0, LONGEST_LINE)
    tail = [...tail, shown].slice(-TAIL_LINES)
    lines += 1
    if (lines <= LOGGED_LINES) onLine(shown)
    else if (lines === LOGGED_LINES + 1) onLine('… (it prints more)')
  }
  return {
    add(chunk) {
      if (bytes > FLOOD_BYTES) return
      bytes += chunk.length
      if (bytes > FLOOD_BYTES) return onFlood()
      const parts = (rest + chunk.toString()).split('\n')
      rest = parts.pop() ?? ''
      for (const line of parts) take(line)
    },
    tail() {
      if (rest !== '') take(rest)
      rest = ''
      return tail.join('\n')
    },
    isFlood: () => bytes > FLOOD_BYTES,
  }
}
