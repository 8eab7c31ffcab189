import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import { TelecError } from './errors.ts'

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

/** Runs a program to its end and keeps its output. Throws only when it cannot be started. */
export type Run = (command: string, args: readonly string[], options: RunOptions) => Promise<RunResult>

/** From the polite SIGTERM to SIGKILL. Long enough for git to remove its lock files. */
const GRACE_MS = 2_000

/** Process groups that are running now: `endAllGroups` takes them along when telec itself is told to leave. */
const groups = new Set<number>()

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
    const limit = options.maxOutput ?? 32 * 1024 * 1024
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
    groups.add(pid)
    let killTimer: NodeJS.Timeout | undefined
    const end = (why: 'timeout' | 'output') => {
      endedBy = why
      killTimer = endGroup(pid)
    }
    const timer = setTimeout(() => end('timeout'), options.timeoutMs)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      clearTimeout(killTimer)
      groups.delete(pid)
      resolve({ code, signal, stdout: stdout.text, stderr: stderr.text, endedBy })
    })
    if (options.input !== undefined) {
      child.stdin?.on('error', () => undefined) // it may leave without reading: its exit code tells
      child.stdin?.end(options.input)
    }
  })

function cannotStart(command: string, cwd: string, error: Error): TelecError {
  return new TelecError('halted', `cannot start ${command}`, {
    because: error.message,
    hint: `is it installed, and on the PATH? Is there a folder ${cwd}?`,
    cause: error,
  })
}

/** Registers a group that someone else started, so that `endAllGroups` reaches it; returns how to forget it. */
export function adoptGroup(pid: number): () => void {
  groups.add(pid)
  return () => groups.delete(pid)
}

/** Ends a process group: SIGTERM, and SIGKILL after a grace. Returns the timer of the latter. */
export function endGroup(pid: number): NodeJS.Timeout {
  signalGroup(pid, 'SIGTERM')
  return setTimeout(() => signalGroup(pid, 'SIGKILL'), GRACE_MS)
}

/** Passes `signal` on to every group that is running. */
export function signalAllGroups(signal: NodeJS.Signals): void {
  for (const pid of groups) signalGroup(pid, signal)
}

export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // ESRCH: it is gone, which is what was wanted
  }
}

/** Whether a process with this id exists, whoever it belongs to. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** The processes of a group, by pid. Linux tells in /proc, others by ps(1). */
export function membersOfGroup(group: number): number[] {
  if (process.platform !== 'linux') {
    const table = spawnSync('ps', ['-axo', 'pid=,pgid='], { encoding: 'utf8' }).stdout
    return table.split('\n').flatMap((row) => {
      const [pid, pgid] = row.trim().split(/\s+/).map(Number)
      return pid !== undefined && pgid === group ? [pid] : []
    })
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isRunningIn(Number(name), group))
    .map(Number)
}

/** proc(5): the state is the first field after the name in brackets, the process group the third. */
function isRunningIn(pid: number, group: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(pgrp) === group && state !== 'Z'
  } catch {
    return false // it has ended
  }
}
