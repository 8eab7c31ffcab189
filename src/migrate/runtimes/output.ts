import type { ChildProcess } from 'node:child_process'
import { StringDecoder } from 'node:string_decoder'

/** What is kept of a migration's output, for the message of a failure. */
const TAIL_LINES = 20
/** More is not logged: a log is no place for a flood. */
const LOGGED_LINES = 1_000
/** A migration that prints more than that has failed. */
const FLOOD_BYTES = 16 * 1024 * 1024
const LONGEST_LINE = 500
/** Longer than it takes to end a process group: after that whoever holds the pipes has left the group. */
const DRAIN_MS = 3_000

/** The output of one call: passed on line by line, its end kept, its amount bounded. */
export interface Output {
  /** `stream` tells apart where chunks come from: a character may be cut in two by their ends. */
  add(chunk: Buffer, stream: unknown): void
  /** The last lines. */
  tail(): string
  isFlood(): boolean
}

export function collectOutput(onLine: (line: string) => void, onFlood: () => void): Output {
  let rest = ''
  let bytes = 0
  let lines = 0
  let tail: string[] = []
  const decoders = new Map<unknown, StringDecoder>()
  const take = (line: string) => {
    const shown = line.slice(0, LONGEST_LINE)
    tail = [...tail, shown].slice(-TAIL_LINES)
    lines += 1
    if (lines <= LOGGED_LINES) onLine(shown)
    else if (lines === LOGGED_LINES + 1) onLine('… (it prints more)')
  }
  return {
    add(chunk, stream) {
      if (bytes > FLOOD_BYTES) return
      bytes += chunk.length
      if (bytes > FLOOD_BYTES) return onFlood()
      const decoder = decoders.get(stream) ?? new StringDecoder('utf8')
      decoders.set(stream, decoder)
      const parts = (rest + decoder.write(chunk)).split('\n')
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

/** Closes the pipes of a process that has ended: one that it left in a session of its own may hold them for ever. */
export function abandonPipes(child: ChildProcess): void {
  child.on('exit', () => {
    const timer = setTimeout(() => {
      for (const stream of child.stdio) stream?.destroy()
    }, DRAIN_MS)
    child.on('close', () => clearTimeout(timer))
  })
}
