import { nameOf, type Target } from '../channel/target.ts'
import type { Service } from '../config/service.ts'
import { windowOpensAt } from '../config/weekly-hours.ts'
import { type Gate, passGates } from '../fleet/gate.ts'
import { refetchObjects } from '../git/damage/objects.ts'
import { removeStaleLocks } from '../git/locks.ts'
import { locateRepository, type Repository } from '../git/repository.ts'
import { findService } from '../service/find.ts'
import { movePin, readChoices } from '../state/choices.ts'
import { removeSignal } from '../state/signal.ts'
import type { Status } from '../state/status.ts'
import {
  began,
  ended,
  failed,
  interruptedSinceMs,
  isEnded,
  isUnderWayTo,
  type Permit,
  readUpdateState,
  startUpdate,
  type Update,
  type UpdateState,
  wasInterrupted,
  writeUpdateState,
} from '../state/update-state.ts'
import { EXIT, foreseen, systemFault, TelecError } from '../system/errors.ts'
import { readBytes, sweepTemporaryFiles } from '../system/files.ts'
import { guardGroups } from '../system/groups.ts'
import { orWarn } from '../system/limit.ts'
import { localTime } from '../system/local-time.ts'
import { acquireLock, type Lock } from '../system/lock.ts'
import { frontDoor, isoTime } from '../system/world.ts'
import { adopt } from './adopt.ts'
import type { UpdateContext } from './context.ts'
import { bug, completeReports, finish, halt } from './finish.ts'
import { nextTarget, releaseRolledBack } from './next-target.ts'
import { openSinks, reportStatus } from './report.ts'
import { mayRetryNow } from './retry.ts'
import { beginRollback, type RollbackOptions } from './rollback.ts'
import { SEQUENCE } from './sequence.ts'
import { takeBackCheckout } from './steps/checkout.ts'
import { tidy } from './tidy.ts'

export interface UpdateOptions {
  /** Retry a halted or rolled-back version now. */
  readonly retry: boolean
  /** Ignore the window and the fleet. */
  readonly now: boolean
  readonly permits: readonly Permit[]
  readonly rollback: RollbackOptions | null
}

/** Updates until no signal is left. @returns the exit code. Throws where an update halts, after recording that. */
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
    const programsAtStart = { own: readBytes(world.program.path), frontDoor: readBytes(frontDoor(world)) }
    const context = { ...service, repository, programsAtStart, sinks }
    const stateNow = async () => readUpdateState(paths) ?? (await adopt(service, repository))
    if (options.rollback) await beginRollback(context, await stateNow(), options.permits, options.rollback)
    else if (options.retry) await releaseRolledBack(context, await stateNow())
    let hasUpdated = false
    let isTidy = true
    // A signal that comes during an update starts no other telec-update: only this loop sees it.
    for (;;) {
      const state = await stateNow()
      const target = await nextTarget(context, state)
      if (target) {
        const updated = await updateTo(context, state, target, options)
        if (updated && findService(service) === null) {
          await tidy(context)
          return EXIT.restart // the caller restarts the service
        }
        if (options.rollback) return EXIT.done
        hasUpdated ||= updated
        if (updated) isTidy = false
      } else if (isTidy) {
        await finishRun(context, state)
        const outcome = `nothing to do: ${nameOf(state.deployed)} is deployed`
        world.log.debug(outcome)
        if (!hasUpdated) world.log.outcome(outcome)
        return EXIT.done
      } else {
        await tidy(context)
        isTidy = true
      }
    }
  } finally {
    for (const sink of sinks) await orWarn(world, 'cannot send the status', () => sink.close())
    unguard()
    lock.release()
  }
}

/** Removes the locks of a git that was killed, with telec or by a power cut: they would block every later git. */
async function clearLocks(repository: Repository, lock: Lock, update: Update | null): Promise<void> {
  const sinceMs = [lock.killedSinceMs ?? [], update ? (interruptedSinceMs(update) ?? []) : []].flat()
  if (await removeStaleLocks(repository, sinceMs.length > 0 ? Math.min(...sinceMs) : null)) lock.settle()
}

/** Forgets an update whose signal was taken back, and completes the reports of the last one. */
async function finishRun(context: UpdateContext, state: UpdateState): Promise<void> {
  if (state.update || state.halted)
    await writeUpdateState(context.paths, { ...state, update: null, halted: null, held: null })
  await completeReports(context, state)
}

function verifyWindow({ world, config }: Service, target: Target): void {
  const opens = windowOpensAt(config, world.now())
  if (opens === null) return
  throw new TelecError('later', `the update to ${nameOf(target)} waits for its window`, {
    because: `${config.deployment.window.join(', ')} opens at ${localTime(opens.getTime())}`,
    hint: 'wait, or update now: telec-update --now',
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
    const state = await takeBackCheckout(context, before, target.commit)
    const update = startUpdate(state, config.deployment.channel, target, options.permits, isoTime(world))
    // Before a step can halt: the next poll would take the pinned version again.
    if (update.rollback) await movePin(paths, target, isoTime(world))
    world.log.onKill(
      `stopped: the next poll resumes the update to ${nameOf(target)}; to resume it now: telec-update`,
    )
    const done = await runSequence(context, { ...state, halted: null, held: null }, update)
    await finish(context, state, done)
  } catch (error) {
    const kind = error instanceof TelecError ? error.kind : 'halted'
    await gate.release(kind === 'later' || kind === 'restart' ? kind : 'halted')
    throw error
  } finally {
    world.log.onKill(null)
  }
  await gate.release('updated')
  return true
}

/** Waits for this computer's turn in the fleet; records the reason for telec status, where it does not come. */
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
    rolledBack: before.update?.rollback ? before.update.from : null,
  }
  try {
    return await passGates(context, target, turn)
  } catch (error) {
    const { kind, message: reason } = foreseen(error)
    if (before.held?.reason === reason) throw new TelecError(kind, reason, { quiet: true })
    await writeUpdateState(context.paths, { ...before, held: { reason, at: isoTime(context.world) } })
    throw error
  }
}

/** Throws the recorded halt where it is not time to retry it. */
function verifyNotHalted({ world, config }: Service, { halted }: UpdateState, target: Target): void {
  if (halted?.target.commit !== target.commit || mayRetryNow(halted, world.now(), config.computer)) return
  const details = { because: halted.error, hint: 'retry it now: telec-update --retry' }
  const { step, at, next_try_at } = halted
  if (next_try_at === null)
    throw new TelecError('halted', `halted since ${localTime(at)} at ${step}`, details)
  throw new TelecError('later', `waiting until ${localTime(next_try_at)} to retry ${step}`, details)
}

/** Runs the steps. A step writes the journal itself, before a change that a kill could leave half-done. */
async function runSequence(context: UpdateContext, initial: UpdateState, first: Update): Promise<Update> {
  const { world, paths } = context
  let update = first
  let status: Status | null = null
  let isRefetched = false
  const supervised = findService(context)
  for (const step of SEQUENCE) {
    if (isEnded(update, step.name) && step.resume === 'unless ended') continue
    const interrupted = wasInterrupted(update, step.name)
    const startedMs = world.monotonic()
    world.log.debug(`${step.name}: begins`)
    world.log.progress(`${step.doing} ${nameOf(update.target)}`)
    const write = step.status === status ? null : ({ folder: 'synced later' } as const)
    await reportStatus(context, initial, update, { status: step.status, step: step.name }, write)
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
        async recordStash(what) {
          world.log.notice(`stashed: ${what}`)
          update = { ...update, put_aside: [...update.put_aside, what] }
          await writeUpdateState(paths, { ...initial, update })
        },
        writeDown: (options) => writeUpdateState(paths, { ...initial, update }, options),
      })
    try {
      const note = await run(false).catch(async (fault: unknown) => {
        if (isRefetched || !(fault instanceof TelecError) || !fault.lacksObjects) throw fault
        isRefetched = true
        world.log.warning(`${step.name}: ${fault.message}: fetching missing and broken objects again`)
        await refetchObjects(context.repository, context.config.deployment, update.target, update.from)
        return run(true)
      })
      // Only in memory: until the next write the step counts as interrupted, and may run again.
      update = ended(update, step.name, isoTime(world), note)
      world.log.progress(null)
      world.log.info(`${step.name}: ${note} (${((world.monotonic() - startedMs) / 1000).toFixed(2)} s)`)
    } catch (error) {
      const fault = error instanceof TelecError ? error : (systemFault(error) ?? bug(error))
      if (fault.kind === 'restart') throw fault // the new telec resumes, as after a kill
      const journal = fault.interrupted ? update : failed(update, step.name)
      await halt(context, initial, journal, step, fault)
      throw error
    }
  }
  return update
}
