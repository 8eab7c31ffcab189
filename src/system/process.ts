import { type ChildProcess, type SpawnOptions, type StdioOptions, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAwake } from './awake.ts'
import { kindOf, systemErrorCode, TelecError } from './errors.ts'
import { adoptGroup, type Leftover, leftoversOf, markEnvironment, signalIfThere } from './groups.ts'
import { collectLines, lastState } from './lines.ts'

export interface RunOptions {
  readonly cwd?: string // by default /
  readonly env: NodeJS.ProcessEnv
  readonly timeoutMs: number
  /** Written to standard input, which is empty by default. */
  readonly input?: string
  /** telec ends a program that prints more. Default 32 MiB; no limit with `onLine`. */
  readonly maxOutput?: number
  /** Called for each line of both outputs, within bounds; the result then has only the last lines. */
  onLine?(line: string): void
  /** Looks for processes that it left running. `end` ends all of them; `keep` those of its group, and only where it failed. */
  readonly leftovers?: 'keep' | 'end'
  /** Loads another way to start it than Node.js's spawn. */
  loadLaunch?(): Promise<Launch>
}

export type Launch = (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess

export interface RunResult {
  readonly code: number | null // null: a signal ended it
  readonly signal: NodeJS.Signals | null
  /** Its output; with `onLine` the last lines of both streams. */
  readonly stdout: string
  readonly stderr: string
  /** Why telec ended it; null: it exited. */
  readonly endedBy: 'timeout' | 'output' | null
  readonly leftovers: readonly Leftover[]
}

/** Runs a program until it exits. Throws only when it does not start. */
export type Run = (command: string, args: readonly string[], options: RunOptions) => Promise<RunResult>

const INSTALL_GIT = 'install the package git (apt-get install git; on macOS xcode-select --install)'

interface StartOptions extends Pick<RunOptions, 'cwd' | 'env'> {
  readonly stdio: StdioOptions
  /** It stays in telec's own process group, where a Ctrl-C reaches it. */
  readonly isAttached?: boolean
  /** `leftovers` also finds processes outside its process group. */
  readonly isMarked?: boolean
  /** How long processes that it left running have to exit, before they count as leftovers. Default 0. */
  readonly leftoversMs?: number
  onOutput?(text: string, stream: 'stdout' | 'stderr'): void
}

export type Started = ReturnType<typeof start>

const MOST_OUTPUT = 32 * 1024 * 1024
/** From SIGTERM to SIGKILL: long enough for git to remove its lock files. */
const GRACE_MS = 2_000
/** Some exit a little later: bash does not wait for `exec > >(tee log)`, nor git for its garbage collection. */
export const LEFTOVERS_MS = 2_000
/** From SIGKILL on: a process that waits for a dead disk takes no signal, so telec stops waiting for it. */
const STUCK_MS = 5_000
const LOOK_MS = 20
/** A program's own output has arrived when it exits; later output is that of leftovers. */
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
    leftoversMs: leftovers === 'end' ? LEFTOVERS_MS : 0,
    onOutput(text, stream) {
      size += text.length
      if (size > limit) end('output')
      else if (lines) lines.add(text, stream)
      else printed[stream] += text
    },
  } satisfies StartOptions
  const program = start(command, args, starting, await loadLaunch?.())
  if (input !== undefined) program.child.stdin?.end(input)
  const cancel = afterAwake(options.timeoutMs, () => end('timeout'))
  const { code, signal } = await program.ended.finally(cancel)
  const found = leftovers ? program.leftovers() : []
  if (leftovers && (code !== 0 || leftovers === 'end')) program.kill()
  if (leftovers === 'end') for (const { pid } of found) signalIfThere(pid, 'SIGKILL')
  const stderr = printed.stderr.split('\n').map(lastState).join('\n')
  return { code, signal, stdout: lines?.end() ?? printed.stdout, stderr, endedBy, leftovers: found }
}

/** Starts a program, for callers that talk to it while it runs. */
export function start(
  command: string,
  args: readonly string[],
  options: StartOptions,
  launch: Launch = spawn,
) {
  const { cwd = '/', stdio, isAttached = false, isMarked = false, leftoversMs = 0 } = options
  const env = isMarked ? markEnvironment(options.env) : options.env
  const child = launch(command, args, { cwd, env, stdio, detached: !isAttached })
  const { pid } = child
  const forget = pid === undefined || isAttached ? () => undefined : adoptGroup(pid)
  let killTimer: NodeJS.Timeout | undefined
  let abandon: () => void = () => undefined
  let found: readonly Leftover[] | undefined
  const leftovers = (): readonly Leftover[] => found ?? (pid === undefined ? [] : leftoversOf(pid, env))
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
  for (const stream of child.stdio) stream?.on('error', () => undefined) // it may exit without reading its input
  const leftoversInTime = async () => {
    const deadline = performance.now() + leftoversMs
    let now = leftovers()
    while (now.length > 0 && !killTimer && performance.now() < deadline) {
      await delay(LOOK_MS)
      now = leftovers()
    }
    return now
  }
  const closePipes = () => {
    if (isMarked) found ??= leftovers() // a closed pipe ends processes that still write to it
    for (const stream of child.stdio) stream?.destroy()
  }
  const ended = new Promise<Pick<RunResult, 'code' | 'signal'>>((resolve, reject) => {
    child.on('error', (cause) => {
      const hint = hintFor(command, cause, cwd, env)
      reject(
        new TelecError(kindOf(cause), `cannot start ${command}`, { because: cause.message, hint, cause }),
      )
    })
    child.on('exit', async (code, signal) => {
      const closed = new Promise((done) => child.on('close', done))
      if (leftoversMs > 0) found = await leftoversInTime()
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
    /** Resolves when it has exited and its pipes are closed. Rejects where it does not start. */
    ended: ended.finally(groupEnded),
    /** Ends its process group: SIGTERM, then SIGKILL; `kill` sends SIGKILL at once. */
    end() {
      if (pid === undefined || killTimer) return
      signalGroup('SIGTERM')
      killTimer = setTimeout(() => {
        kill()
        setTimeout(abandon, STUCK_MS).unref()
      }, GRACE_MS)
    },
    kill,
    /** The running processes that it started. */
    leftovers,
  }
}

/** What to do about a program that does not start. */
function hintFor(command: string, cause: Error, cwd: string, { PATH }: NodeJS.ProcessEnv): string {
  if (!existsSync(cwd)) return `mount or restore the folder ${cwd}: it is missing`
  const install = command === 'git' ? INSTALL_GIT : `install ${command}`
  if (systemErrorCode(cause) === 'ENOENT')
    return `${install}, or add its folder to deployment.path; PATH=${PATH}`
  if (kindOf(cause) === 'later') return 'check the limits of processes, files and memory: ulimit -a'
  return `let this user execute ${command} (chmod +x), and enter ${cwd}; PATH=${PATH}`
}

/** Acts when `count` stands still for a moment, or after a maximum time. @returns how to cancel. */
function whenQuiet(count: () => number, act: () => void): () => void {
  let before = count()
  let waitedMs = 0
  const look = () => {
    waitedMs += QUIET_MS
    if (count() === before || waitedMs >= LONGEST_DRAIN_MS) act()
    before = count()
  }
  const timer = setInterval(() => setImmediate(look), QUIET_MS) // first reads the output that came while telec was busy
  return () => clearInterval(timer)
}

/** Runs a program in the user's terminal, which gets Ctrl-C. @returns its exit code, 0 for a signal. */
export async function runAttached(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  process.on('SIGINT', () => undefined)
  const { ended } = start(command, args, { env, stdio: 'inherit', isAttached: true })
  return (await ended).code ?? 0
}
