/** Fewer than journald takes of a unit at once (RateLimitBurst=, journald.conf(5)), so that what follows is not lost. */
const LOGGED_LINES = 5_000
const LONGEST_LINE = 2_000
/** What is kept for the message of a failure, which also goes into state files and to Redis. */
const TAIL_LINES = 20
const TAIL_CHARACTERS = 8_000

/**
 * The output of a program: passed on line by line, bounded in number and length. `add` takes what came on a stream; `end`
 * passes on last lines that do not end, and returns the last ones.
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
      // One character more than is shown: take() sees that the line was longer. A carriage return may be half of an end.
      pending.set(stream, lastState(rest).slice(0, LONGEST_LINE + 1) + (rest.endsWith('\r') ? '\r' : ''))
    },
    end(): string {
      for (const text of pending.values()) if (text !== '') take(text)
      pending.clear()
      return tail.join('\n').slice(-TAIL_CHARACTERS)
    },
  }
}

/** What a terminal shows of a line in the end: a progress bar writes over what it wrote before, after a carriage return. */
export function lastState(line: string): string {
  let end = line.length
  while (line[end - 1] === '\r') end -= 1
  return line.slice(line.lastIndexOf('\r', end - 1) + 1, end)
}
