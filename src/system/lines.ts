/** Fewer than journald accepts from a unit at once (RateLimitBurst=, journald.conf(5)), so that it drops no later line. */
const LOGGED_LINES = 5_000
const LONGEST_LINE = 2_000
/** Bounds of the output in an error's message, which also goes into state files and to Redis. */
const TAIL_LINES = 20
const TAIL_CHARACTERS = 8_000

/**
 * Passes a program's output to `onLine` line by line, bounded in number and length. `add` takes a piece of a stream; `end`
 * passes on incomplete last lines, and returns the tail of the output.
 */
export function collectLines(onLine: (line: string) => void) {
  const pending = new Map<string, string>()
  let lines = 0
  let tail: string[] = []
  const take = (text: string) => {
    const line = lastState(text)
    const shown = line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)} …` : line
    tail = [...tail, shown].slice(-TAIL_LINES)
    lines += 1
    if (lines <= LOGGED_LINES) onLine(shown)
    else if (lines === LOGGED_LINES + 1) onLine('… (it prints more)')
  }
  return {
    add(text: string, stream: string) {
      const parts = ((pending.get(stream) ?? '') + text).split('\n')
      const rest = parts.pop() ?? ''
      for (const part of parts) take(part)
      // One character more than is shown, so that take() sees the cut. A carriage return may be half of a line's end.
      pending.set(stream, lastState(rest).slice(0, LONGEST_LINE + 1) + (rest.endsWith('\r') ? '\r' : ''))
    },
    end(): string {
      for (const text of pending.values()) if (text !== '') take(text)
      pending.clear()
      return tail.join('\n').slice(-TAIL_CHARACTERS)
    },
  }
}

/** The last text that a terminal shows in a line: a progress bar overwrites its line after a carriage return. */
export function lastState(line: string): string {
  let end = line.length
  while (line[end - 1] === '\r') end -= 1
  return line.slice(line.lastIndexOf('\r', end - 1) + 1, end)
}
