import type { Supervised } from '../../service/find.ts'
import type { ServiceManager, ServiceState } from '../../service/manager.ts'
import { patient } from '../../service/patient.ts'
import { TelecError } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'
import type { StepContext } from '../step.ts'

/** How often the manager is asked while a restart is under way: often enough to see the exit code go by. */
const LOOK_EVERY_MS = 40
export const DEFAULT_STOP_TIMEOUT_MS = 90_000

/** Brings a new main process up. The journal names the old one first: after a kill, it tells whether the restart happened. */
export async function restart(context: StepContext): Promise<string> {
  const { world, config, supervised, update, remember } = context
  if (!supervised) return 'left to whoever started this'
  const stopTimeoutMs = config.service?.stop_timeout ?? DEFAULT_STOP_TIMEOUT_MS
  const manager = patient(world, supervised.manager, stopTimeoutMs)
  const now = await manager.inspect()
  // A target is active again although what it pulls in has failed: that takes another restart.
  const begun = (await someFailed(await manager.members())) ? null : update.service
  const memory = begun ?? { before: now.main?.identity ?? null, asked: false }
  if (now.main && now.main.identity !== memory.before) return `${nameOf(manager, now.main)} runs already`
  if (!memory.asked && now.known === 'masked') return left(`${manager.service} is masked, and stays so`)
  // What stopped it since the update began was a migration, or the install command: they leave the start to telec.
  const isOurs = update.running.includes(manager.service)
  const isStopped = now.isStoppedOnPurpose || (now.activity === 'stopped' && !memory.asked)
  if (isStopped && !isOurs) return left(`${manager.service} is stopped, and stays so`)
  if (!memory.asked) {
    remember({ running: [], service: { before: memory.before, asked: true } })
    await context.writeDown()
  }
  const brought = await bringUpNew(world, { ...supervised, manager }, now, stopTimeoutMs)
  return brought ?? left(`${manager.service} was stopped by somebody meanwhile, and stays so`)

  /** The update counts all the same, and confirm has nothing to wait for. */
  function left(why: string): string {
    remember({ running: [], service: { before: null, asked: false } })
    return why
  }
}

async function someFailed(managers: readonly ServiceManager[]): Promise<boolean> {
  for (const manager of managers) if ((await manager.inspect()).activity === 'failed') return true
  return false
}

/** @returns null where somebody stopped the service while it was to start. */
async function bringUpNew(
  world: World,
  { manager, restart: mode }: Supervised,
  { main: old, activity, lastExit, shortestRunMs }: ServiceState,
  stopTimeoutMs: number,
): Promise<string | null> {
  // Sooner, and a few updates in a row would trip the start limit, after which the manager starts it no more.
  if (old && old.uptimeMs < shortestRunMs) await world.sleep(shortestRunMs - old.uptimeMs)
  const isForced = mode === 'manager' || old?.pid === null // without a process there is nobody to ask
  if (old) await (isForced ? manager.restart() : manager.askToLeave())
  else if (activity !== 'starting') await manager.start()
  const seen = await newMain(world, manager, old?.identity ?? null, stopTimeoutMs)
  if (seen === null) return null
  const { exit, help } = seen
  const pid = seen.pid ?? 'none'
  if (old?.pid === null) return `${manager.service} has no main process: ${manager.name} restarted it`
  if (old && isForced) return `old pid ${old.pid} stopped by ${manager.name}, new pid ${pid}`
  if (old)
    return `old pid ${old.pid} left${exit ? ` with ${exit}` : ''}, new pid ${pid}${help ? `; ${help}` : ''}`
  const failed = `had failed${lastExit ? ` with ${lastExit}` : ''}`
  const state = activity === 'failed' ? failed : 'was not running'
  return `${manager.service} ${state}; ${manager.name} started it, new pid ${pid}`
}

/** Waits for a main process other than `old`; starts what does not come back, restarts what stays. Null: stopped by hand. */
async function newMain(
  world: World,
  manager: Supervised['manager'],
  old: string | null,
  stopTimeoutMs: number,
): Promise<{ pid: number | null; exit: string | null; help: string | null } | null> {
  let exit: string | null = null
  let help: string | null = null
  let deadline = world.monotonic() + stopTimeoutMs
  for (;;) {
    const { main, activity, lastExit, isStoppedOnPurpose } = await manager.inspect()
    if (main?.identity !== old) exit = lastExit ?? exit
    if (main && main.identity !== old) return { pid: main.pid, exit, help }
    if (isStoppedOnPurpose) return null
    const isGone = !main && (activity === 'stopped' || activity === 'failed')
    const isLate = world.monotonic() > deadline
    if (isLate && help !== null)
      throw notWell(
        `${manager.service} does not start`,
        exit ? `it left with ${exit}` : 'no main process came up',
      )
    if (help === null && (isGone || isLate)) {
      const what = main ? 'leave' : 'come back'
      help = isGone
        ? `it did not come back by itself: ${manager.name} had to start it`
        : `it did not ${what} within ${stopTimeoutMs / 1000} s: ${manager.name} had to restart it`
      await (isGone ? manager.start() : manager.restart())
      deadline = world.monotonic() + stopTimeoutMs
    }
    await world.sleep(LOOK_EVERY_MS)
  }
}

/** What runs, for people: by its pid where there is one. */
export function nameOf(manager: ServiceManager, { pid }: NonNullable<ServiceState['main']>): string {
  return pid === null ? manager.service : `pid ${pid}`
}

/** The new code is on the disk, and the service does not work with it. */
export function notWell(message: string, because: string): TelecError {
  return new TelecError('halted', message, {
    because,
    hint: 'look at its log; the code on disk is the new one. After mending: telec-update --retry; to go back: telec-update rollback',
  })
}
