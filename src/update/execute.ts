import { nameOf, type Target } from '../channel/target.ts'
import type { Service } from '../config/service.ts'
import { windowOpensAt } from '../config/weekly-hours.ts'
import { type Gate, passGates } from '../fleet/gate.ts'
import { refetchObjects } from '../git/damage/objects.ts'
import { removeStaleLocks } from '../git/locks.ts'
import { locateRepository, type Repository } from '../git/repository.ts'
import { findService } from '../service/find.ts'
import { readChoices } from '../state/choices.ts'
import { readPause } from '../state/pause.ts'
import { removeSignal } from '../state/signal.ts'
import type { Status } from '../state/status.ts'
import {
  began,
  ended,
  failed,
  interruptedSinceMs,
  isEnded,
  isUnderWay,
  isUnderWayTo,
  type Permit,
  readUpdateState,
  rollbackUnderWay,
  startUpdate,
  type Update,
  type UpdateState,
  wasInterrupted,
  writeUpdateState,
} from '../state/update-state.ts'
import { EXIT, systemFault, TelecError } from '../system/errors.ts'
import { sweepTemporaryFiles } from '../system/files.ts'
import { guardGroups } from '../system/groups.ts'
import { orWarn } from '../system/limit.ts'
import { localTime } from '../system/local-time.ts'
import { acquireLock, type Lock } from '../system/lock.ts'
import { frontDoor, isoTime, programText } from '../system/world.ts'
import { adopt } from './adopt.ts'
import { releaseRolledBack, signalled, wanted } from './asked.ts'
import { openSinks, type UpdateContext } from './context.ts'
import { bug, finish, halt, mendReports } from './finish.ts'
import { createReport } from './report.ts'
import { isDue } from './retry.ts'
import { beginRollback, type RollbackOptions } from './rollback.ts'
import { SEQUENCE } from './sequence.ts'
import { settle } from './steps/checkout.ts'
import { tidy } from './tidy.ts'

export interface UpdateOptions {
  /** Try a halted target again, now. */
  readonly retry: boolean
  /** Also outside the window. */
  readonly now: boolean
  readonly permits: readonly Permit[]
  /** Go back first. */
  readonly rollback: RollbackOptions | null
}

/**
 * Does what the signal asks for, or goes on with what was interrupted, until nothing is asked for; the exit code. Throws
 * where an update halts, after that was recorded and reported.
 */
export async function update(service: Service, options: UpdateOptions): Promise<number> {
  const { world, config, paths } = service
  const repository = locateRepository(world, config.deployment.checkout)
  const lock = acquireLock(world, paths.lock)
  const unguard = guardGroups()
  const sinks = openSinks(service)
  try {
    const own = [paths.updateState, paths.migrationState, paths.status, paths.history]
    sweepTemporaryFiles(own, world.now())
    await clearLocks(repository, lock, readUpdateState(paths)?.update ?? null)
    const programsAtStart = { own: programText(world), frontDoor: programText(world, frontDoor(world)) }
    const context = { ...service, repository, programsAtStart, sinks }
    const stateNow = async () => readUpdateState(paths) ?? (await adopt(service, repository))
    if (options.rollback) await beginRollback(context, await stateNow(), options.permits, options.rollback)
    else if (options.retry) await releaseRolledBack(context, await stateNow())
    // A signal that comes while an update runs is not announced again: look for it before leaving.
    let hasUpdated = false
    let isTidy = true
    for (;;) {
      const state = await stateNow()
      const rollback = rollbackUnderWay(state)
      if (!rollback) verifyNotPaused(service) // who goes back by hand means it, paused or not
      const underWay = state.update && isUnderWay(state.update) ? state.update : null
      const target = rollback?.target ?? (await signalled(context, state)) ?? wanted(config, underWay)
      if (!target && !isTidy) {
        await tidy(context)
        isTidy = true
        continue
      }
      if (!target) {
        if (!underWay && (state.update || state.halted))
          await writeUpdateState(paths, { ...state, update: null, halted: null, held: null }) // what was asked for was taken back
        if (!underWay) await mendReports(context, state)
        const outcome = `nothing to do: ${nameOf(state.deployed)} is deployed`
        world.log.debug(outcome)
        if (!hasUpdated) world.log.outcome(outcome)
        return EXIT.done
      }
      const updated = await updateTo(context, state, target, options)
      hasUpdated ||= updated
      if (updated) isTidy = false
      // Nobody restarts the service here: that is the business of whoever started telec-update.
      if (updated && findService(service) === null) {
        await tidy(context)
        return EXIT.restart
      }
      if (options.rollback) return EXIT.done // whatever else is signalled has its own time
    }
  } finally {
    for (const sink of sinks) await orWarn(world, 'the status was not passed on', () => sink.close())
    unguard()
    lock.release()
  }
}

/** What a git that was killed, with telec or by a power cut, has left would block every later one. */
async function clearLocks(repository: Repository, lock: Lock, update: Update | null): Promise<void> {
  const sinceMs = [lock.killedSinceMs ?? [], update ? (interruptedSinceMs(update) ?? []) : []].flat()
  if (await removeStaleLocks(repository, sinceMs.length > 0 ? Math.min(...sinceMs) : null)) lock.settle()
}

/** Throws `later` where a person paused updates. */
function verifyNotPaused({ world, paths }: Service): void {
  const pause = readPause(paths, world.now())
  if (pause === null) return
  throw new TelecError('later', `updates are paused since ${localTime(pause.since)}`, {
    because: pause.until === null ? 'until somebody says otherwise' : `until ${localTime(pause.until)}`,
    hint: 'to go on now: telec resume',
  })
}

/** Throws `later` outside the window. */
function verifyWindow({ world, config }: Service, target: Target): void {
  const opens = windowOpensAt(config, world.now())
  if (opens === null) return
  throw new TelecError('later', `the update to ${nameOf(target)} waits for its window`, {
    because: `${config.deployment.window.join(', ')} opens at ${localTime(opens.getTime())}`,
    hint: 'it is applied then by itself; now: telec-update --now',
  })
}

/** @returns whether anything was updated. */
async function updateTo(
  context: UpdateContext,
  before: UpdateState,
  target: Target,
  options: UpdateOptions,
): Promise<boolean> {
  const { world, config, paths } = context
  const isRollback = before.update?.rollback && before.update.target.commit === target.commit
  if (target.commit === before.deployed.commit && !isRollback) {
    await removeSignal(paths, target.commit)
    if (before.update) await writeUpdateState(paths, { ...before, update: null })
    return false
  }
  const isAsked = options.retry || options.rollback !== null || options.permits.length > 0
  if (!isAsked) verifyNotHalted(context, before, target)
  if (!options.now && !isUnderWayTo(before.update, target.commit)) verifyWindow(context, target)
  const gate = await enter(context, before, target, options)
  try {
    const state = await settle(context, before, target.commit)
    const update = startUpdate(state, config.deployment.channel, target, options.permits, isoTime(world))
    world.log.onKill(
      `stopped: the update to ${nameOf(target)} goes on at the next poll; at once: telec-update`,
    )
    const done = await runSequence(context, { ...state, halted: null, held: null }, update)
    await finish(context, state, done)
  } catch (error) {
    const kind = error instanceof TelecError ? error.kind : 'halted'
    await gate.leave(kind === 'later' || kind === 'restart' ? kind : 'halted')
    throw error
  } finally {
    world.log.onKill(null)
  }
  await gate.leave('updated')
  return true
}

/** Waits for this computer's turn; that it has to wait longer is recorded, for whoever asks why nothing happens. */
async function enter(
  context: UpdateContext,
  before: UpdateState,
  target: Target,
  options: UpdateOptions,
): Promise<Gate> {
  const turn = {
    isForced: options.now || before.update?.rollback != null,
    isSettled:
      isUnderWayTo(before.update, target.commit) || readChoices(context.paths).pin?.commit === target.commit,
    leaves: before.update?.rollback ? before.update.from : null,
  }
  try {
    return await passGates(context, target, turn)
  } catch (error) {
    if (!(error instanceof TelecError)) throw error
    const reason = error.message
    if (before.held?.reason === reason) throw new TelecError(error.kind, reason, { quiet: true })
    await writeUpdateState(context.paths, { ...before, held: { reason, at: isoTime(context.world) } })
    throw error
  }
}

/** A target that halted is not tried again before it is due. Throws what is known of the halt. */
function verifyNotHalted({ world, config }: Service, { halted }: UpdateState, target: Target): void {
  if (halted?.target.commit !== target.commit || isDue(halted, world.now(), config.computer)) return
  const details = { because: halted.error, hint: 'try it again now: telec-update --retry' }
  const { step, at, next_try_at } = halted
  if (next_try_at === null)
    throw new TelecError('halted', `halted since ${localTime(at)} at ${step}`, details)
  throw new TelecError('later', `waiting until ${localTime(next_try_at)} to try ${step} again`, details)
}

/** The one loop. A step writes the journal itself, before what a kill could leave half-done. */
async function runSequence(context: UpdateContext, initial: UpdateState, first: Update): Promise<Update> {
  const { world, paths } = context
  let update = first
  let status: Status | null = null
  let isRefetched = false
  const supervised = findService(context)
  for (const step of SEQUENCE) {
    if (isEnded(update, step.name) && step.resume === 'unless ended') continue
    const report = createReport(context, initial, update)
    const interrupted = wasInterrupted(update, step.name)
    const startedMs = world.monotonic()
    await report.begin(step, step.status !== status)
    status = step.status
    update = began(update, step.name, isoTime(world))
    const run = (isAgain: boolean) =>
      step.run({
        ...context,
        supervised,
        get update() {
          return update
        },
        interrupted: interrupted || isAgain,
        remember(change) {
          update = { ...update, ...change }
        },
        async putAside(what) {
          world.log.notice(`put aside: ${what}`)
          update = { ...update, put_aside: [...update.put_aside, what] }
          await writeUpdateState(paths, { ...initial, update })
        },
        writeDown: (options) => writeUpdateState(paths, { ...initial, update }, options),
      })
    try {
      const note = await run(false).catch(async (fault: unknown) => {
        if (isRefetched || !(fault instanceof TelecError) || !fault.lacksObjects) throw fault
        isRefetched = true
        world.log.warning(`${step.name}: ${fault.message}: what is missing or broken is fetched anew`)
        await refetchObjects(context.repository, context.config.deployment, update.target, update.from)
        return run(true)
      })
      // Until the next write it counts as interrupted: to do it again, or to go on with it, comes to the same.
      update = ended(update, step.name, isoTime(world), note)
      report.end(step, note, world.monotonic() - startedMs)
    } catch (error) {
      const fault = error instanceof TelecError ? error : (systemFault(error) ?? bug(error))
      if (fault.kind === 'restart') throw fault // the journal is as after a kill
      const journal = fault.interrupted ? update : failed(update, step.name)
      await halt(context, initial, journal, step, fault)
      throw error
    }
  }
  return update
}
