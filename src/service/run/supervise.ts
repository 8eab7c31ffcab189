import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { Service } from '../../config/service.ts'
import { readSupervisorRecord, writeSupervisorRecord } from '../../state/supervisor.ts'
import { EXIT, TelecError } from '../../system/errors.ts'
import { remove } from '../../system/files.ts'
import { acquireLock } from '../../system/lock.ts'
import { type Started, start } from '../../system/process.ts'
import type { World } from '../../system/world.ts'
import { RESTART_SIGNAL, supervisorLock, WAKE_SIGNAL } from './manager.ts'

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
 * Runs the service in the foreground, polls, updates, and starts the service again when it exits with 42, when an update
 * asks for it, and after a back-off when it crashes. Ends when the service exits with 0, or when telec is told to.
 *
 * @param isSignalled whether an update is pending.
 * @returns the service's exit code (128 + n for signal n, as shells have it).
 */
export async function supervise(
  service: Service,
  [program = '', ...args]: readonly string[],
  isSignalled: () => boolean,
): Promise<number> {
  const { world, config, paths } = service
  const env = { ...world.env, TELEC_SUPERVISED: '1' }
  const stopMs = config.service?.stop_timeout ?? 90_000
  const lock = acquireLock(world, supervisorLock(paths))
  await endLeftover(service)
  const stop = new AbortController()
  let wake = new AbortController()
  let child: ChildProcess | null = null
  let restartAsked = false
  let killTimer: NodeJS.Timeout | undefined
  const endChild = (signal: NodeJS.Signals) => {
    // A Ctrl-C has reached it already: it is of the terminal's foreground group, too.
    if (signal !== 'SIGINT' || process.stdin.isTTY !== true) child?.kill(signal)
    killTimer ??= setTimeout(() => child?.kill('SIGKILL'), stopMs)
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
  const handlers = new Map<NodeJS.Signals, (signal: NodeJS.Signals) => void>([
    [RESTART_SIGNAL, onRestart],
    [WAKE_SIGNAL, () => wake.abort()],
    ...LEAVE_ON.map((signal) => [signal, onStop] as const),
    ...PASSED_ON.map((signal) => [signal, () => void child?.kill(signal)] as const),
  ])
  for (const [signal, handler] of handlers) process.on(signal, handler)

  const polling = pollAndUpdate(service, isSignalled, stop.signal)
  try {
    let crashes = 0
    let lastExit: string | null = null
    for (let starts = 1; ; starts += 1) {
      const started = start(program, args, { cwd: world.cwd, env, stdio: 'inherit', isAttached: true })
      child = started.child
      const { pid = 0 } = child
      const end = endOf(started)
      end.catch(() => undefined) // it is awaited below, whatever comes first
      const startedMs = world.monotonic()
      const record = (main: { pid: number; started_ms: number } | null) =>
        writeSupervisorRecord(paths, { supervisor: world.pid, main, starts, last_exit: lastExit })
      await record({ pid, started_ms: startedMs })
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
      await record(null)
      const backoffMs = crashes && Math.min(FIRST_BACKOFF_MS * 2 ** (crashes - 1), LONGEST_BACKOFF_MS)
      const when = backoffMs ? ` in ${backoffMs} ms` : ''
      world.log.info(`the service (pid ${pid}) left with ${name}; starting it again${when}`)
      wake = new AbortController()
      if (backoffMs > 0) await pause(backoffMs, wake.signal)
      if (stop.signal.aborted) return code
      if (wake.signal.aborted) crashes = 0 // an update brought other code
      restartAsked = false
    }
  } finally {
    stop.abort()
    await polling
    for (const [signal, handler] of handlers) process.off(signal, handler)
    await remove(paths.supervisor)
    lock.release()
  }
}

/** One poll after the other, and the update that it signals. Both run as programs of their own, as under systemd. */
async function pollAndUpdate(
  { world, config }: Service,
  isSignalled: () => boolean,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    await runTelec(world, ['watch', '--scheduled'], stop)
    // 42 is telec-update's request to be started again; a bound of our own ends what would be a loop.
    for (let round = 0; round < 5 && !stop.aborted && isSignalled(); round += 1)
      if ((await runTelec(world, ['update'], stop)) !== EXIT.restart) break
    await pause(config.deployment.poll_every * (1 + Math.random() / 10), stop) // as RandomizedDelaySec= spreads the timers
  }
}

async function runTelec(world: World, args: readonly string[], stop: AbortSignal): Promise<number> {
  const { cwd, env } = world
  const options = { cwd, env, stdio: ['ignore', 'inherit', 'inherit'] } satisfies Parameters<typeof start>[2]
  const program = start(world.program.node, [world.program.path, ...args], options)
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
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return delay(ms, undefined, { signal }).catch(() => undefined)
}
