import { type ChildProcess, type SpawnOptions, type StdioOptions, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAwake } from './awake.ts'
import { kindOf, TelecError } from './errors.ts'
import { adoptGroup, type Left, markEnvironment, processesLeft, signalIfThere } from './groups.ts'
import { collectLines, lastState } from './lines.ts'

export interface RunOptions {
  readonly cwd?: string // by default /
  readonly env: NodeJS.ProcessEnv
  readonly timeoutMs: number
  /** Written to standard input, which is otherwise empty. */
  readonly input?: string
  /** A program that prints more is ended. Default 32 MiB; without an end where there is `onLine`. */
  readonly maxOutput?: number
  /** Called for each line of both its outputs as it comes, within bounds; their end alone is kept. */
  onLine?(line: string): void
  /** Look for what it left running: `keep` ends that only where it failed itself, and did not leave the group. */
  readonly leftovers?: 'keep' | 'end'
  /** Gives what starts it, where that is not Node.js itself. */
  loadLaunch?(): Promise<Launch>
}

export type Launch = (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess

export interface RunResult {
  readonly code: number | null // null: a signal ended it
  readonly signal: NodeJS.Signals | null
  /** What it printed; with `onLine` the last lines of both streams. */
  readonly stdout: string
  readonly stderr: string
  /** Why telec ended it, if it did. */
  readonly endedBy: 'timeout' | 'output' | null
  readonly left: readonly Left[]
}

/** Runs a program to its end. Throws only when it cannot be started. */
export type Run = (command: string, args: readonly string[], options: RunOptions) => Promise<RunResult>

const INSTALL_GIT = 'install the package git (apt-get install git; on macOS xcode-select --install).'

interface StartOptions extends Pick<RunOptions, 'cwd' | 'env'> {
  readonly stdio: StdioOptions
  /** It stays in telec's own process group, where a Ctrl-C reaches it. */
  readonly isAttached?: boolean
  /** `left` finds also what left its process group. */
  readonly isMarked?: boolean
  /** How long what it left running has to end before it counts. Default 0. */
  readonly leftMs?: number
  onOutput?(text: string, stream: 'stdout' | 'stderr'): void
}

export type Started = ReturnType<typeof start>

const MOST_OUTPUT = 32 * 1024 * 1024
/** From the polite SIGTERM to SIGKILL. Long enough for git to remove its lock files. */
const GRACE_MS = 2_000
/** What ends by itself: bash does not wait for `exec > >(tee log)`, and git collects its garbage in the background. */
export const LEFT_MS = 2_000
/** From SIGKILL on: one that waits for a disk that does not answer takes no signal, and is left alone. */
const STUCK_MS = 5_000
const LOOK_MS = 20
/** What a program printed itself is there at once when it has ended; what comes later is from those that it left running. */
const QUIET_MS = 100
const LONGEST_DRAIN_MS = 2_000

export const run: Run = async (command, args, { input, onLine, leftovers, loadLaunch, ...options }) => {
  const lines = onLine ? collectLines(onLine) : null
  const printed = { stdout: '', stderr: '' }
  const limit = options.maxOutput ?? (lines ? Number.POSITIVE_INFINITY : MOST_OUTPUT)
  let size = 0
  let endedBy: RunResult['endedBy'] = null
  const end = (why: 'timeout' | 'output') => {
    endedBy ??= why
    program.end()
  }
  const starting = {
    ...options,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    isMarked: leftovers !== undefined,
    leftMs: leftovers === 'end' ? LEFT_MS : 0,
    onOutput(text, stream) {
      size += text.length
      if (size > limit) end('output')
      else if (lines) lines.add(text, stream)
      else printed[stream] += text
    },
  } satisfies StartOptions
  const program = start(command, args, starting, await loadLaunch?.())
  if (input !== undefined) program.child.stdin?.end(input)
  const callOff = afterAwake(options.timeoutMs, () => end('timeout'))
  const { code, signal } = await program.ended.finally(callOff)
  const left = leftovers ? program.left() : []
  if (leftovers && (code !== 0 || leftovers === 'end')) program.kill()
  if (leftovers === 'end') for (const { pid } of left) signalIfThere(pid, 'SIGKILL')
  const stderr = printed.stderr.split('\n').map(lastState).join('\n')
  return { code, signal, stdout: lines?.end() ?? printed.stdout, stderr, endedBy, left }
}

/** Starts a program, for those that talk to it while it runs. */
export function start(
  command: string,
  args: readonly string[],
  options: StartOptions,
  launch: Launch = spawn,
) {
  const { cwd = '/', stdio, isAttached = false, isMarked = false, leftMs = 0 } = options
  const env = isMarked ? markEnvironment(options.env) : options.env
  const child = launch(command, args, { cwd, env, stdio, detached: !isAttached })
  const { pid } = child
  const forget = pid === undefined || isAttached ? () => undefined : adoptGroup(pid)
  let killTimer: NodeJS.Timeout | undefined
  let abandon: () => void = () => undefined
  let found: readonly Left[] | undefined
  const left = (): readonly Left[] => found ?? (pid === undefined ? [] : processesLeft(pid, env))
  const signalGroup = (signal: NodeJS.Signals | 0) => pid !== undefined && signalIfThere(-pid, signal)
  const kill = () => {
    clearTimeout(killTimer)
    killTimer = undefined
    signalGroup('SIGKILL')
  }
  let chunks = 0
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      chunks += 1
      options.onOutput?.(text, name)
    })
  for (const stream of child.stdio) stream?.on('error', () => undefined) // it may leave without reading: its exit tells
  const leftInTime = async () => {
    const deadline = performance.now() + leftMs
    let now = left()
    while (now.length > 0 && !killTimer && performance.now() < deadline) {
      await delay(LOOK_MS)
      now = left()
    }
    return now
  }
  const closePipes = () => {
    if (isMarked) found ??= left() // who still writes to them ends by that
    for (const stream of child.stdio) stream?.destroy()
  }
  const ended = new Promise<Pick<RunResult, 'code' | 'signal'>>((resolve, reject) => {
    child.on('error', (cause) => {
      const hint = existsSync(cwd)
        ? `${command === 'git' ? INSTALL_GIT : 'is it installed?'} It is searched in PATH=${env.PATH} (deployment.path adds to it)`
        : `there is no folder ${cwd}`
      reject(
        new TelecError(kindOf(cause), `cannot start ${command}`, { because: cause.message, hint, cause }),
      )
    })
    child.on('exit', async (code, signal) => {
      const closed = new Promise((done) => child.on('close', done))
      if (leftMs > 0) found = await leftInTime()
      const stop = whenQuiet(() => chunks, closePipes)
      await closed
      stop()
      resolve({ code, signal })
    })
    abandon = () => {
      closePipes()
      child.unref()
      resolve({ code: null, signal: 'SIGKILL' })
    }
  })
  const groupEnded = async () => {
    while (killTimer && signalGroup(0)) await delay(LOOK_MS)
    clearTimeout(killTimer)
    forget()
  }
  return {
    child,
    /** It has ended, and its pipes are closed. Rejects where it cannot be started. */
    ended: ended.finally(groupEnded),
    /** Ends its process group: SIGTERM, and SIGKILL after a grace; `kill` does not wait. */
    end() {
      if (pid === undefined || killTimer) return
      signalGroup('SIGTERM')
      killTimer = setTimeout(() => {
        kill()
        setTimeout(abandon, STUCK_MS).unref()
      }, GRACE_MS)
    },
    kill,
    /** What it started and is running; once it has ended: what it left running. */
    left,
  }
}

/** Acts when `count` has stood still for a moment, or did not for long. @returns how to leave it. */
function whenQuiet(count: () => number, act: () => void): () => void {
  let before = count()
  let waitedMs = 0
  const look = () => {
    waitedMs += QUIET_MS
    if (count() === before || waitedMs >= LONGEST_DRAIN_MS) act()
    before = count()
  }
  const timer = setInterval(() => setImmediate(look), QUIET_MS) // what came while telec was busy is read first
  return () => clearInterval(timer)
}

/** Runs a program for the person at the terminal, to its exit code (0 for a signal). A Ctrl-C is for it. */
export async function runAttached(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  process.on('SIGINT', () => undefined)
  const { ended } = start(command, args, { env, stdio: 'inherit', isAttached: true })
  return (await ended).code ?? 0
}
