import type { Supervised } from '../../service/find.ts'
import type { ServiceManager, ServiceState } from '../../service/manager.ts'
import { type PatientManager, patient } from '../../service/patient.ts'
import { type Restart, restartOf } from '../../state/update-state.ts'
import { foreseen } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'
import type { StepContext } from '../context.ts'
import { nameOf, notWell, staysUp, untilAllUp } from './stays-up.ts'

/** Often enough to see the exit code before the manager starts the next process. */
const ASK_EVERY_MS = 40

/**
 * Restarts unit after unit, each once the unit before it is up. The journal has each old main process first: after a kill
 * it tells which restarts happened.
 */
export async function restart(context: StepContext): Promise<string> {
  const { world, supervised } = context
  if (!supervised) return 'the caller restarts the service'
  const { managers, restart: mode } = supervised
  const isOnly = managers.length === 1
  const units = managers.map((one) => patient(context, one))
  await noteBefore(context, units.slice(1))
  const notes: string[] = []
  for (const manager of units) {
    const note = await restartUnit(context, manager, mode)
    notes.push(isOnly || note.startsWith(manager.service) ? note : `${manager.service}: ${note}`)
    const memory = restartOf(context.update, manager.service, isOnly)
    // For the last unit the confirm step waits.
    if (memory?.asked && manager !== units.at(-1))
      await untilAllUp(world, [staysUp(world, manager, 0, memory.before)])
  }
  return notes.join('; ')
}

/** Notes all main processes first: a unit that systemd restarts with another (PartOf=) is not restarted again. */
async function noteBefore(context: StepContext, units: readonly ServiceManager[]): Promise<void> {
  for (const manager of units) {
    const { restarts } = context.update
    if (restartOf(context.update, manager.service, false)) continue
    const before = (await manager.inspect()).main?.identity ?? null
    context.remember({ restarts: [...restarts, { unit: manager.service, before, asked: false }] })
  }
}

async function restartUnit(
  context: StepContext,
  manager: PatientManager,
  mode: Supervised['restart'],
): Promise<string> {
  const { world, update } = context
  const unit = manager.service
  const now = await manager.inspect()
  // A target is active although a member has failed: that takes another restart.
  const members = await Promise.all((await manager.members()).map((member) => member.inspect()))
  const isUndone = members.some((member) => member.activity === 'failed')
  const begun = isUndone ? null : restartOf(update, unit, context.supervised?.managers.length === 1)
  const memory = begun ?? { before: now.main?.identity ?? null, asked: false }
  if (now.main && now.main.identity !== memory.before) {
    remember({ ...memory, asked: memory.asked || memory.before !== null })
    return `${nameOf(manager, now.main, true)} runs already`
  }
  if (!memory.asked && now.known === 'masked') return skip(`${unit} is masked: not restarted`)
  // A migration or the install command may have stopped it during the update: then telec starts it.
  const isOurs = update.running.includes(unit)
  const isStopped = now.isStoppedOnPurpose || (now.activity === 'stopped' && !memory.asked)
  if (isStopped && !isOurs) return skip(`${unit} is stopped: not restarted`)
  if (!memory.asked) {
    remember({ before: memory.before, asked: true })
    await context.writeDown()
  }
  const brought = await bringUpNew(world, manager, mode, now)
  return brought ?? skip(`${unit} was stopped during the restart: not started`)

  function skip(why: string): string {
    remember({ before: null, asked: false }) // confirm does not wait for it
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

/** @returns null where a user stopped the service meanwhile. */
async function bringUpNew(
  world: World,
  manager: PatientManager,
  mode: Supervised['restart'],
  { main: old, activity, lastExit, shortestRunMs }: ServiceState,
): Promise<string | null> {
  // An earlier restart would count for the manager's start limit, after which it starts the unit no longer.
  if (old && old.uptimeMs < shortestRunMs) await world.sleep(shortestRunMs - old.uptimeMs)
  const isForced = mode === 'manager' || old?.pid === null // no process to send SIGTERM to
  if (old) await (isForced ? ordered(manager, 'restart') : manager.terminate())
  else if (activity !== 'starting') await ordered(manager, 'start')
  const started = await newMain(world, manager, old?.identity ?? null)
  if (started === null) return null
  const { exit, help } = started
  const pid = started.pid ?? 'none'
  if (old?.pid === null) return `${manager.service} has no main process: ${manager.name} restarted it`
  if (old && isForced) return `old pid ${old.pid} stopped by ${manager.name}, new pid ${pid}`
  if (old)
    return `old pid ${old.pid} exited${exit ? ` (${exit})` : ''}, new pid ${pid}${help ? `; ${help}` : ''}`
  const failed = `had failed${lastExit ? ` (${lastExit})` : ''}`
  const state = activity === 'failed' ? failed : 'was not running'
  return `${manager.service} ${state}; ${manager.name} started it, new pid ${pid}`
}

/** Starts or restarts a unit. Where the unit failed, the message says so, not that the order failed. */
async function ordered(manager: ServiceManager, order: 'start' | 'restart'): Promise<void> {
  try {
    await manager[order]()
  } catch (error) {
    const { kind, because, message } = foreseen(error)
    if (kind !== 'halted' || (await manager.inspect()).activity !== 'failed') throw error
    throw notWell(`${manager.service} does not start`, because ?? message)
  }
}

/** Waits for a new main process, and starts or restarts the unit itself where none comes. Null: a user stopped it. */
async function newMain(world: World, manager: PatientManager, old: string | null) {
  const { patienceMs } = manager
  let exit: string | null = null
  let help: string | null = null
  let deadline = world.monotonic() + patienceMs
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
        exit ? `it exited (${exit})` : 'no main process started',
      )
    if (help === null && (isGone || isLate)) {
      const what = main ? 'exit' : 'start'
      help = isGone
        ? 'its manager did not restart it: telec started it'
        : `it did not ${what} within ${patienceMs / 1000} s: telec restarted it`
      await ordered(manager, isGone ? 'start' : 'restart')
      deadline = world.monotonic() + patienceMs
    }
    await world.sleep(ASK_EVERY_MS)
  }
}
