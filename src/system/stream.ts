import { spawn } from 'node:child_process'
import { StringDecoder } from 'node:string_decoder'
import { adoptGroup, endGroup, signalGroup } from './groups.ts'
import { cannotStart } from './process.ts'
import type { World } from './world.ts'

export interface StreamOptions {
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  readonly timeoutMs: number
  /** Called for each line of its standard output and error, as it comes. */
  onLine(line: string): void
}

/** Runs a command line with `sh -c`, hands over its output line by line, resolves at its end. */
export type Stream = (
  commandLine: string,
  options: StreamOptions,
) => Promise<{ code: number | null; signal: NodeJS.Signals | null; endedBy: 'timeout' | null }>

/** A world in which long work can be followed: what runs updates needs it, what polls every minute does not. */
export interface StreamingWorld extends World {
  readonly stream: Stream
}

/** A progress bar, or what is no text, may go on without an end of line: it is told in pieces. */
const LONGEST_LINE = 64 * 1024

export const stream: Stream = (commandLine, options) =>
  new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', commandLine], {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.on('error', (error) => reject(cannotStart('sh', options.cwd, error)))
    const rests = [child.stdout, child.stderr].map((output) => readLines(output, options.onLine))
    const { pid } = child
    if (pid === undefined) return // 'error' follows
    const forget = adoptGroup(pid)
    let endedBy: 'timeout' | null = null
    let killTimer: NodeJS.Timeout | undefined
    const timer = setTimeout(() => {
      endedBy = 'timeout'
      killTimer = endGroup(pid)
    }, options.timeoutMs)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      clearTimeout(killTimer)
      signalGroup(pid, 'SIGKILL') // whatever it left running
      forget()
      for (const tellRest of rests) tellRest()
      resolve({ code, signal, endedBy })
    })
  })

/** Hands over the lines that come; returns how to hand over a last one that does not end. */
function readLines(output: NodeJS.ReadableStream, onLine: (line: string) => void): () => void {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  output.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split(/\r?\n/)
    const last = lines.pop() ?? ''
    const isTooLong = last.length > LONGEST_LINE
    for (const line of isTooLong ? [...lines, last] : lines) onLine(line)
    rest = isTooLong ? '' : last
  })
  return () => {
    rest += decoder.end()
    if (rest !== '') onLine(rest)
  }
}
