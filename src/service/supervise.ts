import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { Paths } from '../config/paths.ts'
import { EXIT, TelecError } from '../system/errors.ts'
import { remove } from '../system/files.ts'
import { adoptGroup, endGroup } from '../system/groups.ts'
import { acquireLock } from '../system/lock.ts'
import type { World } from '../system/world.ts'
import { RESTART_SIGNAL, supervisorLock, writeSupervisorRecord } from './embedded.ts'

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
/** A service that ran for this long has not crashed at its start. */
const STEADY_MS = 10_000

/**
 * Runs the service in the foreground, polls, updates, and starts the service again when it leaves with 42, when
 * an update asks for it, and after a back-off when it crashes. Ends when the service ends by itself with 0,
 * or when telec is told to; the signal is passed on.
 *
 * @returns the service's exit code (128 + n for signal n, as shells have it).
 */
export async function supervise(world: World, paths: Paths, options: SupervisedCommand): Promise<number> {
  const unlock = acquireLock(world, supervisorLock(paths))
  const stop = new AbortController()
  let child: ChildProcess | null = null
  let restartAsked = false
  let killTimer: NodeJS.Timeout | undefined
  const endChild = (signal: NodeJS.Signals) => {
    child?.kill(signal)
    killTimer ??= setTimeout(() => child?.kill('SIGKILL'), options.stopMs)
  }
  const onRestart = () => {
    restartAsked = true
    endChild('SIGTERM')
  }
  const onStop = (signal: NodeJS.Signals) => {
    stop.abort()
    endChild(signal)
  }
  const leaveOn = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
  process.on(RESTART_SIGNAL, onRestart)
  for (const signal of leaveOn) process.on(signal, onStop)

  const polling = pollAndUpdate(world, options, stop.signal)
  try {
    let starts = 0
    let crashes = 0
    let lastExit: string | null = null
    for (;;) {
      child = start(world, options.command)
      starts += 1
      const startedMs = world.monotonic()
      await writeSupervisorRecord(paths, {
        supervisor: world.pid,
        main: { pid: child.pid ?? 0, started_ms: startedMs },
        starts,
        last_exit: lastExit,
      })
      const { code, name } = await ended(child)
      const pid = child.pid
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
      if (backoffMs > 0) await pause(backoffMs, stop.signal)
      if (stop.signal.aborted) return code
    }
  } finally {
    stop.abort()
    await polling
    process.off(RESTART_SIGNAL, onRestart)
    for (const signal of leaveOn) process.off(signal, onStop)
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
    await pause(options.pollMs, stop)
  }
}

async function runTelec(world: World, args: readonly string[], stop: AbortSignal): Promise<number> {
  const child = spawn(world.program.node, [world.program.path, ...args], {
    detached: true,
    env: world.env,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const { pid } = child
  const forget = pid === undefined ? undefined : adoptGroup(pid)
  const onStop = () => pid !== undefined && endGroup(pid).unref()
  stop.addEventListener('abort', onStop)
  try {
    return (await ended(child)).code
  } finally {
    stop.removeEventListener('abort', onStop)
    forget?.()
  }
}

function start(world: World, [program = '', ...args]: readonly string[]): ChildProcess {
  const child = spawn(program, args, {
    cwd: world.cwd,
    env: { ...world.env, TELEC_SUPERVISED: '1' },
    stdio: 'inherit',
  })
  return child
}

function ended(child: ChildProcess): Promise<{ code: number; name: string }> {
  return new Promise((resolve, reject) => {
    child.on('error', (error) =>
      reject(
        new TelecError('usage', `cannot start ${child.spawnargs[0]}`, {
          because: error.message,
          hint: 'telec run -- COMMAND starts a program, by its path or by its name on PATH',
          cause: error,
        }),
      ),
    )
    child.on('exit', (code, signal) =>
      resolve(
        code === null
          ? { code: 128 + constants.signals[signal ?? 'SIGKILL'], name: signal ?? 'a signal' }
          : { code, name: `exit code ${code}` },
      ),
    )
  })
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
