import { spawn } from 'node:child_process'
import { StringDecoder } from 'node:string_decoder'
import { kindOf, TelecError } from './errors.ts'
import { adoptGroup, endGroup } from './groups.ts'

export interface RunOptions {
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  /** After that many milliseconds the whole process group is ended. */
  readonly timeoutMs: number
  /** Written to standard input, which is otherwise empty. */
  readonly input?: string
  /** Bytes of output kept, of each of the two streams; a program that prints more is ended. Default 32 MiB. */
  readonly maxOutput?: number
}

export interface RunResult {
  /** The exit code; null when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** Why telec ended it, if it did. */
  readonly endedBy: 'timeout' | 'output' | null
}

const MOST_OUTPUT = 32 * 1024 * 1024

/** Runs a program to its end and keeps its output. Throws only when it cannot be started. */
export type Run = (command: string, args: readonly string[], options: RunOptions) => Promise<RunResult>

/**
 * Not execa: a poll every minute must not pay the 35 ms that loading it takes. Each program gets a
 * process group of its own, because git leaves helpers behind (`git-remote-https`) that hold the pipes
 * open after git itself was killed.
 */
export const run: Run = (command, args, options) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    child.on('error', (error) => reject(cannotStart(command, options.cwd, error)))
    let endedBy: RunResult['endedBy'] = null
    const limit = options.maxOutput ?? MOST_OUTPUT
    const collect = (stream: NodeJS.ReadableStream | null) => {
      const decoder = new StringDecoder('utf8')
      const collected = { text: '' }
      let size = 0
      stream?.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size <= limit) collected.text += decoder.write(chunk)
        else if (endedBy === null) end('output')
      })
      return collected
    }
    const stdout = collect(child.stdout)
    const stderr = collect(child.stderr)
    const { pid } = child
    if (pid === undefined) return // 'error' follows
    const forget = adoptGroup(pid)
    let killTimer: NodeJS.Timeout | undefined
    const end = (why: 'timeout' | 'output') => {
      endedBy = why
      killTimer = endGroup(pid)
    }
    const timer = setTimeout(() => end('timeout'), options.timeoutMs)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      clearTimeout(killTimer)
      forget()
      resolve({ code, signal, stdout: stdout.text, stderr: stderr.text, endedBy })
    })
    if (options.input !== undefined) {
      child.stdin?.on('error', () => undefined) // it may leave without reading: its exit code tells
      child.stdin?.end(options.input)
    }
  })

/**
 * Runs a program for the person at the terminal, with our own input and output, to its end. A Ctrl-C is for it.
 *
 * @returns its exit code, 0 where a signal ended it.
 */
export function runAttached(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, stdio: 'inherit' })
    const ignore = () => undefined
    process.on('SIGINT', ignore)
    child.on('error', (error) => reject(cannotStart(command, '/', error)))
    child.on('exit', (code) => {
      process.off('SIGINT', ignore)
      resolve(code ?? 0)
    })
  })
}

function cannotStart(command: string, cwd: string, error: Error): TelecError {
  return new TelecError(kindOf(error), `cannot start ${command}`, {
    because: error.message,
    hint: `is it installed, and on the PATH? Is there a folder ${cwd}?`,
    cause: error,
  })
}
