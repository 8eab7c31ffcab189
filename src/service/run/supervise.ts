import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import type { Service } from '../../config/service.ts'
import { readSupervisorRecord, writeSupervisorRecord } from '../../state/supervisor.ts'
import { EXIT, TelecError } from '../../system/errors.ts'
import { remove } from '../../system/files.ts'
import { acquireLock } from '../../system/lock.ts'
import { type Started, start } from '../../system/process.ts'
import type { World } from '../../system/world.ts'
import { RESTART_SIGNAL, supervisorLock, WAKE_SIGNAL } from './manager.ts'

export interface SupervisedCommand {
  readonly command: readonly string[]
  readonly pollMs: number
  /** From the polite SIGTERM to SIGKILL. */
  readonly stopMs: number
  /** Whether an update waits to be run. */
  isSignalled(): boolean
}

const FIRST_BACKOFF_MS = 100
const LONGEST_BACKOFF_MS = 30_000
/** These end telec run, and with it the service; whoever sends a second one does not wait for stop_timeout. */
const LEAVE_ON = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
/** A Ctrl-C comes twice where a shell in front of us passes it on, too. */
const ONE_PRESS_MS = 500
/** These are the service's alone. */
const PASSED_ON = ['SIGQUIT', 'SIGUSR1', 'SIGWINCH', 'SIGCONT'] as const
/** A service that ran for this long has not crashed at its start. */
const STEADY_MS = 10_000

/**
 * Runs the service in the foreground, polls, updates, and starts the service again when it leaves with 42, when
 * an update asks for it, and after a back-off when it crashes. Ends when the service ends by itself with 0,
 * or when telec is told to; the signal is passed on.
 *
 * @returns the service's exit code (128 + n for signal n, as shells have it).
 */
export async function supervise(service: Service, options: SupervisedCommand): Promise<number> {
  const { world, paths } = service
  const unlock = acquireLock(world, supervisorLock(paths))
  await endLeftover(service)
  const stop = new AbortController()
  let wake = new AbortController()
  let child: ChildProcess | null = null
  let restartAsked = false
  let killTimer: NodeJS.Timeout | undefined
  const endChild = (signal: NodeJS.Signals) => {
    // A Ctrl-C has reached it already: it is of the terminal's foreground group, too.
    if (signal !== 'SIGINT' || process.stdin.isTTY !== true) child?.kill(signal)
    killTimer ??= setTimeout(() => child?.kill('SIGKILL'), options.stopMs)
  }
  const onRestart = () => {
    restartAsked = true
    wake.abort()
    endChild('SIGTERM')
  }
  let askedMs: number | undefined
  const onStop = (signal: NodeJS.Signals) => {
    const now = world.monotonic()
    if (askedMs !== undefined && now - askedMs > ONE_PRESS_MS) child?.kill('SIGKILL') // who asks twice does not want to wait
    askedMs ??= now
    stop.abort()
    wake.abort()
    endChild(signal)
  }
  const onOther = (signal: NodeJS.Signals) => void child?.kill(signal)
  const onWake = () => wake.abort()
  process.on(RESTART_SIGNAL, onRestart)
  process.on(WAKE_SIGNAL, onWake)
  for (const signal of LEAVE_ON) process.on(signal, onStop)
  for (const signal of PASSED_ON) process.on(signal, onOther)

  const polling = pollAndUpdate(world, options, stop.signal)
  try {
    let starts = 0
    let crashes = 0
    let lastExit: string | null = null
    for (;;) {
      const service = startService(world, options.command)
      child = service.child
      const end = endOf(service)
      end.catch(() => undefined) // it is awaited below, whatever comes first
      starts += 1
      const startedMs = world.monotonic()
      await writeSupervisorRecord(paths, {
        supervisor: world.pid,
        main: { pid: child.pid ?? 0, started_ms: startedMs },
        starts,
        last_exit: lastExit,
      })
      const pid = child.pid
      const { code, name } = await end
      child = null
      clearTimeout(killTimer)
      killTimer = undefined
      lastExit = name
      if (stop.signal.aborted) return code
      if (code === 0 && !restartAsked) {
        world.log.notice(`the service (pid ${pid}) ended with exit code 0, and so does telec run`)
        return code
      }
      crashes = world.monotonic() - startedMs > STEADY_MS || restartAsked ? 0 : crashes + 1
      restartAsked = false
      await writeSupervisorRecord(paths, { supervisor: world.pid, main: null, starts, last_exit: lastExit })
      const backoffMs =
        crashes === 0 ? 0 : Math.min(FIRST_BACKOFF_MS * 2 ** (crashes - 1), LONGEST_BACKOFF_MS)
      world.log.info(
        `the service (pid ${pid}) left with ${name}; starting it again${backoffMs ? ` in ${backoffMs} ms` : ''}`,
      )
      wake = new AbortController()
      if (backoffMs > 0) await pause(backoffMs, wake.signal)
      if (stop.signal.aborted) return code
      if (wake.signal.aborted) crashes = 0 // an update brought other code
      restartAsked = false
    }
  } finally {
    stop.abort()
    await polling
    process.off(RESTART_SIGNAL, onRestart)
    process.off(WAKE_SIGNAL, onWake)
    for (const signal of LEAVE_ON) process.off(signal, onStop)
    for (const signal of PASSED_ON) process.off(signal, onOther)
    await remove(paths.supervisor)
    unlock()
  }
}

/** Every `pollMs`: one poll, then the update that it signals. Both run as programs of their own, as under systemd. */
async function pollAndUpdate(world: World, options: SupervisedCommand, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    await runTelec(world, ['watch', '--scheduled'], stop)
    // 42 is telec-update's request to be started again; a bound of our own ends what would be a loop.
    for (let round = 0; round < 5 && !stop.aborted && options.isSignalled(); round += 1)
      if ((await runTelec(world, ['update'], stop)) !== EXIT.restart) break
    await pause(options.pollMs * (1 + Math.random() / 10), stop) // as RandomizedDelaySec= spreads the timers
  }
}

async function runTelec(world: World, args: readonly string[], stop: AbortSignal): Promise<number> {
  const program = start(world.program.node, [world.program.path, ...args], {
    cwd: world.cwd,
    env: world.env,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  stop.addEventListener('abort', program.end)
  try {
    return (await endOf(program)).code
  } finally {
    stop.removeEventListener('abort', program.end)
  }
}

/** A telec run that was killed may have left its service running: there must not be two of them. */
async function endLeftover({ world, paths }: Service): Promise<void> {
  const pid = readSupervisorRecord(paths)?.main?.pid
  if (pid === undefined || !isOurService(pid)) return
  world.log.notice(`ending the service that an earlier telec run left behind (pid ${pid})`)
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    process.kill(pid, signal)
    for (let waited = 0; waited < LEFTOVER_PATIENCE_MS && isOurService(pid); waited += 50)
      await world.sleep(50)
    if (!isOurService(pid)) return
  }
}

const LEFTOVER_PATIENCE_MS = 10_000

/** Whether a process of this pid was started by `telec run`: a pid may be somebody else's by now (proc(5), Linux). */
function isOurService(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes('TELEC_SUPERVISED=1')
  } catch {
    return false
  }
}

function startService(world: World, [program = '', ...args]: readonly string[]): Started {
  const env = { ...world.env, TELEC_SUPERVISED: '1' }
  return start(program, args, { cwd: world.cwd, env, stdio: 'inherit', isAttached: true })
}

async function endOf({ ended }: Started): Promise<{ code: number; name: string }> {
  const { code, signal } = await ended.catch((error: TelecError) => {
    throw new TelecError('usage', error.message, {
      because: error.because ?? '',
      hint: 'telec run -- COMMAND starts a program, by its path or by its name on PATH',
      cause: error,
    })
  })
  return code === null
    ? { code: 128 + constants.signals[signal ?? 'SIGKILL'], name: signal ?? 'a signal' }
    : { code, name: `exit code ${code}` }
}

/** Waits, but not past `stop`. */
async function pause(ms: number, stop: AbortSignal): Promise<void> {
  if (stop.aborted) return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, ms)
    stop.addEventListener('abort', done)
    function done() {
      clearTimeout(timer)
      stop.removeEventListener('abort', done)
      resolve()
    }
  })
}
