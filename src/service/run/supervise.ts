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
import { stopTimeoutMs } from '../patient.ts'
import { RESTART_SIGNAL, supervisorLock, WAKE_SIGNAL } from './manager.ts'

const FIRST_BACKOFF_MS = 100
const LONGEST_BACKOFF_MS = 30_000
/** They end telec run and the service; a second one does so without a wait for stop_timeout. */
const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
/** A shell in front of telec may send the same Ctrl-C once more. */
const ONE_PRESS_MS = 500
/** They are for the service alone. */
const FORWARDED = ['SIGQUIT', 'SIGUSR1', 'SIGWINCH', 'SIGCONT'] as const
/** A longer run is no crash at the start. */
const STEADY_MS = 10_000

/**
 * Runs the service in the foreground, polls and updates. Restarts the service after exit code 42, when an update asks for it,
 * and after a back-off when it crashes. Ends with the service's exit code 0, or by a signal.
 *
 * @param isSignalled whether an update is pending.
 * @returns the service's exit code (128 + n for signal n, as of a shell).
 */
export async function supervise(
  service: Service,
  [program = '', ...args]: readonly string[],
  isSignalled: () => boolean,
): Promise<number> {
  const { world, paths } = service
  const env = { ...world.env, TELEC_SUPERVISED: '1' }
  const stopMs = stopTimeoutMs(service)
  const lock = acquireLock(world, supervisorLock(paths))
  await endOldService(service)
  const stop = new AbortController()
  let wake = new AbortController()
  let child: ChildProcess | null = null
  let restartAsked = false
  let killTimer: NodeJS.Timeout | undefined
  const endChild = (signal: NodeJS.Signals) => {
    // The terminal sent Ctrl-C to the service, too.
    if (signal !== 'SIGINT' || process.stdin.isTTY !== true) child?.kill(signal)
    killTimer ??= setTimeout(() => child?.kill('SIGKILL'), stopMs)
  }
  const onRestart = () => {
    restartAsked = true
    wake.abort()
    endChild('SIGTERM')
  }
  let stoppedMs: number | undefined
  const onStop = (signal: NodeJS.Signals) => {
    const now = world.monotonic()
    if (stoppedMs !== undefined && now - stoppedMs > ONE_PRESS_MS) child?.kill('SIGKILL')
    stoppedMs ??= now
    stop.abort()
    wake.abort()
    endChild(signal)
  }
  const handlers = new Map<NodeJS.Signals, (signal: NodeJS.Signals) => void>([
    [RESTART_SIGNAL, onRestart],
    [WAKE_SIGNAL, () => wake.abort()],
    ...STOP_SIGNALS.map((signal) => [signal, onStop] as const),
    ...FORWARDED.map((signal) => [signal, () => void child?.kill(signal)] as const),
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
      end.catch(() => undefined) // awaited below, also after a failed record
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
      await record(null)
      const backoffMs = crashes && Math.min(FIRST_BACKOFF_MS * 2 ** (crashes - 1), LONGEST_BACKOFF_MS)
      const when = backoffMs ? ` in ${backoffMs} ms` : ''
      world.log.info(`the service (pid ${pid}) ended with ${name}: it restarts${when}`)
      wake = new AbortController()
      if (backoffMs > 0) await pause(backoffMs, wake.signal)
      if (stop.signal.aborted) return code
      if (wake.signal.aborted) crashes = 0 // an update brought new code
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

/** Polls, and runs the update that a poll signals: as programs of their own, as under systemd. */
async function pollAndUpdate(
  { world, config }: Service,
  isSignalled: () => boolean,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    await runTelec(world, ['watch', '--scheduled'], stop)
    // 42 asks for another run of telec-update; the bound ends a loop.
    for (let round = 0; round < 5 && !stop.aborted && isSignalled(); round += 1)
      if ((await runTelec(world, ['update'], stop)) !== EXIT.restart) break
    await pause(config.deployment.poll_every * (1 + Math.random() / 10), stop) // as RandomizedDelaySec=
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

/** The service of a killed telec run may still run: there must not be two. */
async function endOldService({ world, paths }: Service): Promise<void> {
  const pid = readSupervisorRecord(paths)?.main?.pid
  if (pid === undefined || !isOurService(pid)) return
  world.log.notice(`ending the service of an earlier telec run (pid ${pid})`)
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    process.kill(pid, signal)
    for (let waited = 0; waited < OLD_SERVICE_MS && isOurService(pid); waited += 50) await world.sleep(50)
    if (!isOurService(pid)) return
  }
}

const OLD_SERVICE_MS = 10_000

/** Whether `telec run` started this process: the kernel reuses pids (proc(5), Linux). */
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
      hint: 'name a program by its path, or by its name on PATH: telec run -- COMMAND',
      cause: error,
    })
  })
  return code === null
    ? { code: 128 + constants.signals[signal ?? 'SIGKILL'], name: signal ?? 'a signal' }
    : { code, name: `exit code ${code}` }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return delay(ms, undefined, { signal }).catch(() => undefined)
}
