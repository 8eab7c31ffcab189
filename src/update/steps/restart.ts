import type { Supervised } from '../../service/find.ts'
import type { ServiceManager, ServiceState } from '../../service/manager.ts'
import { type PatientManager, patient } from '../../service/patient.ts'
import { type Restart, restartOf } from '../../state/update-state.ts'
import { TelecError } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'
import type { StepContext } from '../step.ts'
import { nameOf, notWell, untilWell, watch } from './stays-up.ts'

/** How often the manager is asked while a restart is under way: often enough to see the exit code go by. */
const LOOK_EVERY_MS = 40
export const DEFAULT_STOP_TIMEOUT_MS = 90_000

/**
 * Brings new main processes up, unit after unit: the next one is not touched before the one before it is up. The journal
 * names each old one first: after a kill, it tells which restarts happened.
 */
export async function restart(context: StepContext): Promise<string> {
  const { world, config, supervised } = context
  if (!supervised) return 'left to whoever started this'
  const { managers, restart: mode } = supervised
  const patienceMs = config.service?.stop_timeout ?? DEFAULT_STOP_TIMEOUT_MS
  const isOnly = managers.length === 1
  const units = managers.map((one) => patient(world, one, patienceMs))
  await noteBefore(context, units.slice(1))
  const notes: string[] = []
  for (const manager of units) {
    const note = await restartUnit(context, manager, mode, patienceMs)
    notes.push(isOnly || note.startsWith(manager.service) ? note : `${manager.service}: ${note}`)
    const { asked, before } = restartOf(context.update, manager.service, isOnly) ?? UNASKED
    // Of the last one that is what confirm waits for.
    if (asked && manager !== units.at(-1))
      await untilWell(world, [watch(world, manager, { healthyAfterMs: 0, patienceMs }, before)])
  }
  return notes.join('; ')
}

/** What runs before any is touched: a unit that systemd restarts along with another (PartOf=) is not restarted again. */
async function noteBefore(context: StepContext, units: readonly ServiceManager[]): Promise<void> {
  for (const manager of units) {
    const { restarts } = context.update
    if (restartOf(context.update, manager.service, false)) continue
    const before = (await manager.inspect()).main?.identity ?? null
    context.remember({ restarts: [...restarts, { unit: manager.service, before, asked: false }] })
  }
}

/** Of a unit that is left as it is: the update counts all the same, and confirm has nothing to wait for. */
const UNASKED = { before: null, asked: false }

async function restartUnit(
  context: StepContext,
  manager: PatientManager,
  mode: Supervised['restart'],
  stopTimeoutMs: number,
): Promise<string> {
  const { world, update } = context
  const unit = manager.service
  const now = await manager.inspect()
  // A target is active again although what it pulls in has failed: that takes another restart.
  const isUndone = await someFailed(await manager.members())
  const begun = isUndone ? null : restartOf(update, unit, context.supervised?.managers.length === 1)
  const memory = begun ?? { before: now.main?.identity ?? null, asked: false }
  if (now.main && now.main.identity !== memory.before) {
    remember({ ...memory, asked: memory.asked || memory.before !== null })
    return `${nameOf(manager, now.main, true)} runs already`
  }
  if (!memory.asked && now.known === 'masked') return left(`${unit} is masked, and stays so`)
  // What stopped it since the update began was a migration, or the install command: they leave the start to telec.
  const isOurs = update.running.includes(unit)
  const isStopped = now.isStoppedOnPurpose || (now.activity === 'stopped' && !memory.asked)
  if (isStopped && !isOurs) return left(`${unit} is stopped, and stays so`)
  if (!memory.asked) {
    remember({ before: memory.before, asked: true })
    await context.writeDown()
  }
  const brought = await bringUpNew(world, manager, mode, now, stopTimeoutMs)
  return brought ?? left(`${unit} was stopped by somebody meanwhile, and stays so`)

  function left(why: string): string {
    remember(UNASKED)
    return why
  }

  function remember({ before, asked }: Omit<Restart, 'unit'>): void {
    const others = update.restarts.filter((one) => one.unit !== unit && one.unit !== null)
    context.remember({
      running: update.running.filter((one) => one !== unit),
      restarts: [...others, { unit, before, asked }],
    })
  }
}

async function someFailed(managers: readonly ServiceManager[]): Promise<boolean> {
  for (const manager of managers) if ((await manager.inspect()).activity === 'failed') return true
  return false
}

/** @returns null where somebody stopped the service while it was to start. */
async function bringUpNew(
  world: World,
  manager: ServiceManager,
  mode: Supervised['restart'],
  { main: old, activity, lastExit, shortestRunMs }: ServiceState,
  stopTimeoutMs: number,
): Promise<string | null> {
  // Sooner, and a few updates in a row would trip the start limit, after which the manager starts it no more.
  if (old && old.uptimeMs < shortestRunMs) await world.sleep(shortestRunMs - old.uptimeMs)
  const isForced = mode === 'manager' || old?.pid === null // without a process there is nobody to ask
  if (old) await (isForced ? ordered(manager, 'restart') : manager.terminate())
  else if (activity !== 'starting') await ordered(manager, 'start')
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

/** Starts or restarts it; where it is the unit that fails, and not the order, that is what is said. */
async function ordered(manager: ServiceManager, order: 'start' | 'restart'): Promise<void> {
  try {
    await manager[order]()
  } catch (error) {
    if (!(error instanceof TelecError) || error.kind !== 'halted') throw error
    if ((await manager.inspect()).activity !== 'failed') throw error
    throw notWell(`${manager.service} does not start`, error.because ?? error.message)
  }
}

/** Waits for a main process other than `old`; starts what does not come back, restarts what stays. Null: stopped by hand. */
async function newMain(
  world: World,
  manager: ServiceManager,
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
      await ordered(manager, isGone ? 'start' : 'restart')
      deadline = world.monotonic() + stopTimeoutMs
    }
    await world.sleep(LOOK_EVERY_MS)
  }
}
