import { nameOf, type Target } from '../channel/target.ts'
import type { Paths } from '../config/paths.ts'
import type { Config } from '../config/schema.ts'
import { completeMove, moveTo } from '../git/checkout.ts'
import { locateRepository, type Repository } from '../git/git.ts'
import { redisSink } from '../redis/status-sink.ts'
import { findService } from '../service/find.ts'
import { hookSink } from '../status/hook.ts'
import { metricsSink } from '../status/metrics.ts'
import type { StatusSink } from '../status/sink.ts'
import { EXIT, TelecError } from '../system/errors.ts'
import { sweepTemporaryFiles } from '../system/files.ts'
import { guardGroups } from '../system/groups.ts'
import { acquireLock } from '../system/lock.ts'
import type { StreamingWorld } from '../system/stream.ts'
import { VERSION } from '../system/version.ts'
import { frontDoor, isoTime, programHash, type World } from '../system/world.ts'
import { adopt } from './adopt.ts'
import { type Gate, passGates } from './gates.ts'
import { recordEnd } from './history.ts'
import {
  began,
  ended,
  failed,
  type Halt,
  hasMoved,
  isEnded,
  isUnderWay,
  type Permit,
  readUpdateState,
  takeUp,
  type Update,
  type UpdateState,
  wasInterrupted,
  writeUpdateState,
} from './journal.ts'
import { readPause } from './pause.ts'
import { createReport } from './report.ts'
import { isDue, retryDelayMs } from './retry.ts'
import { SEQUENCE } from './sequence.ts'
import { readSignal, removeSignal, type Signal } from './signal.ts'
import type { Programs, Step } from './step.ts'
import { verifyWindow } from './window.ts'

export interface UpdateOptions {
  /** Try a halted target again, now. */
  readonly retry: boolean
  /** Also outside the window. */
  readonly now: boolean
  readonly permits: readonly Permit[]
}

/** What an update works on; made once per run. */
interface Scene {
  readonly world: StreamingWorld
  readonly config: Config
  readonly paths: Paths
  readonly repository: Repository
  readonly programsAtStart: Programs
  readonly sinks: readonly StatusSink[]
}

/**
 * Does what the signal asks for, or goes on with what was interrupted, until nothing is asked for any more.
 *
 * @returns the exit code. Throws a TelecError where an update halts, after it was recorded and reported.
 */
export async function update(
  world: StreamingWorld,
  config: Config,
  paths: Paths,
  options: UpdateOptions,
): Promise<number> {
  const repository = locateRepository(world, config.deployment.checkout)
  const unlock = acquireLock(world, paths.lock)
  const unguard = guardGroups()
  const sinks = openSinks(world, config, paths)
  try {
    verifyNotPaused(world, paths)
    const own = [paths.updateState, paths.migrationState, paths.status, paths.history]
    await sweepTemporaryFiles(paths.home, own, world.now())
    const programsAtStart = { own: programHash(world), frontDoor: programHash(world, frontDoor(world)) }
    const scene = { world, config, paths, repository, programsAtStart, sinks }
    // A signal that comes while an update runs is not announced again: look for it before leaving.
    let hasUpdated = false
    for (;;) {
      const state = readUpdateState(paths) ?? (await adopt(world, config, paths, repository))
      const underWay = state.update && hasMoved(state.update) ? state.update : null
      const target = wanted(config, readSignal(paths)) ?? wanted(config, underWay)
      if (!target) {
        if (!underWay && (state.update || state.halted))
          await writeUpdateState(paths, { ...state, update: null, halted: null, held: null }) // what was asked for was taken back
        world.log.debug(`nothing to do: ${nameOf(state.deployed)} is deployed`)
        if (!hasUpdated) world.log.outcome(`nothing to do: ${nameOf(state.deployed)} is deployed`)
        return EXIT.done
      }
      const updated = await updateTo(scene, state, target, options)
      hasUpdated ||= updated
      // Nobody restarts the service here: that is the business of whoever started telec-update.
      if (updated && findService(world, config, paths) === null) return EXIT.restart
    }
  } finally {
    await closeSinks(world, sinks)
    unguard()
    unlock()
  }
}

function openSinks(world: World, config: Config, paths: Paths): StatusSink[] {
  return [
    ...(config.redis ? [redisSink(world, config.redis, paths)] : []),
    ...(config.on_status ? [hookSink(world, config.on_status, paths)] : []),
    ...(config.metrics ? [metricsSink(world, config, paths)] : []),
  ]
}

async function closeSinks(world: World, sinks: readonly StatusSink[]): Promise<void> {
  for (const sink of sinks)
    await sink.close().catch((error: unknown) => {
      world.log.warning(`the status was not passed on: ${error instanceof Error ? error.message : error}`)
    })
}

/** Throws `later` where a person paused updates. */
function verifyNotPaused(world: World, paths: Paths): void {
  const pause = readPause(paths, world.now())
  if (pause === null) return
  throw new TelecError('later', `updates are paused since ${pause.since}`, {
    because: pause.until === null ? 'until somebody says otherwise' : `until ${pause.until}`,
    hint: 'to go on now: telec resume',
  })
}

/** What a signal or a journal asks for; nothing if this computer follows another channel by now. */
function wanted({ deployment }: Config, request: Signal | Update | null): Target | null {
  return request?.channel === deployment.channel ? request.target : null
}

/** @returns whether anything was updated. */
async function updateTo(
  scene: Scene,
  before: UpdateState,
  target: Target,
  options: UpdateOptions,
): Promise<boolean> {
  const { world, config, paths } = scene
  if (target.commit === before.deployed.commit) {
    await removeSignal(paths, target.commit)
    if (before.update) await writeUpdateState(paths, { ...before, update: null })
    return false
  }
  if (!options.retry && options.permits.length === 0) verifyNotHalted(world, config, before, target)
  if (!options.now && !isUnderWay(before.update, target.commit))
    verifyWindow(world, config, `the update to ${nameOf(target)}`)
  const gate = await enter(scene, before, target, options)
  try {
    const state = await settle(scene, before, target)
    const update = takeUp(state, config.deployment.channel, target, options.permits, isoTime(world))
    const done = await runSequence(scene, { ...state, halted: null, held: null }, update)
    await finish(scene, done)
  } catch (error) {
    await gate.leave(howItEnded(error))
    throw error
  }
  await gate.leave('updated')
  return true
}

/** Waits for this computer's turn; that it has to wait longer is recorded, for whoever asks why nothing happens. */
async function enter(
  { world, config, paths }: Scene,
  before: UpdateState,
  target: Target,
  options: UpdateOptions,
): Promise<Gate> {
  const turn = { isForced: options.now, isUnderWay: isUnderWay(before.update, target.commit) }
  try {
    return await passGates(world, config, target, turn)
  } catch (error) {
    if (!(error instanceof TelecError)) throw error
    const isKnown = before.held?.reason === error.message
    if (!isKnown)
      await writeUpdateState(paths, { ...before, held: { reason: error.message, at: isoTime(world) } })
    throw isKnown ? new TelecError(error.kind, error.message, { quiet: true }) : error
  }
}

function howItEnded(error: unknown): 'halted' | 'later' | 'goes-on' {
  if (!(error instanceof TelecError)) return 'halted'
  if (error.kind === 'restart') return 'goes-on'
  return error.kind === 'later' ? 'later' : 'halted'
}

/** A target that halted is not tried again before it is due. Throws what is known of the halt. */
function verifyNotHalted(world: World, config: Config, { halted }: UpdateState, target: Target): void {
  if (halted?.target.commit !== target.commit || isDue(halted, world.now(), config.computer)) return
  const details = { because: halted.error, hint: 'try it again now: telec-update --retry' }
  if (!halted.transient)
    throw new TelecError('halted', `halted since ${halted.at} at ${halted.step}`, details)
  throw new TelecError('later', `waiting until ${halted.next_try_at} to try ${halted.step} again`, details)
}

/**
 * A checkout that was killed on its way to another target is brought there first: half of it would look like
 * local changes to the new update.
 */
async function settle(scene: Scene, state: UpdateState, target: Target): Promise<UpdateState> {
  const { world, config, paths, repository } = scene
  const { update } = state
  if (!update || update.target.commit === target.commit || !wasInterrupted(update, 'checkout')) return state
  await completeMove(world, repository, update.target.commit)
  const branch = update.channel === 'alpha' ? config.deployment.branch : null
  await moveTo(world, repository, branch, update.target.commit, update.permits.includes('rewrite'))
  const settled = {
    ...state,
    update: ended(update, 'checkout', isoTime(world), 'completed for a newer target'),
  }
  await writeUpdateState(paths, settled)
  return settled
}

/** The one loop: journal, run, journal. */
async function runSequence(scene: Scene, initial: UpdateState, first: Update): Promise<Update> {
  const { world, config, paths, sinks } = scene
  let update = first
  const save = async (next: Update) => {
    update = next
    await writeUpdateState(paths, { ...initial, update })
  }
  const service = findService(world, config, paths)
  for (const step of SEQUENCE) {
    if (isEnded(update, step.name) && !step.again) continue
    const report = createReport(world, config, paths, update, sinks)
    const interrupted = wasInterrupted(update, step.name)
    const startedMs = world.monotonic()
    await save(began(update, step.name, isoTime(world)))
    await report.begin(step)
    try {
      const note = await step.run({
        ...scene,
        service,
        update,
        interrupted,
        remember: (change) => save({ ...update, ...change }),
      })
      await save(ended(update, step.name, isoTime(world), note))
      report.end(step, note, world.monotonic() - startedMs)
    } catch (error) {
      const fault = error instanceof TelecError ? error : bug(error)
      if (fault.kind === 'restart') throw fault // the journal is as after a kill
      const journal = fault.interrupted ? update : failed(update, step.name)
      await halt(scene, initial, journal, step, fault)
      throw error
    }
  }
  return update
}

/** A bug halts, too: a program that crashes at every poll would be an update loop. */
function bug(error: unknown): TelecError {
  return new TelecError('halted', `a bug in telec ${VERSION}`, {
    because: error instanceof Error ? (error.stack ?? error.message) : String(error),
    hint: 'please report it; to try again: telec-update --retry',
    interrupted: true,
  })
}

/** Records and reports that the update stopped; the signal stays, and so does the journal. */
async function halt(
  { world, config, paths, sinks }: Scene,
  state: UpdateState,
  update: Update,
  step: Step,
  error: TelecError,
): Promise<void> {
  const { attempts } = update
  const nextTryMs = world.now() + retryDelayMs(attempts, config.computer)
  const halted: Halt = {
    target: update.target,
    step: step.name,
    error: error.message,
    because: error.because ?? null,
    hint: error.hint ?? null,
    migration: error.migration ?? null,
    transient: error.kind === 'later',
    at: isoTime(world),
    attempts,
    next_try_at: error.kind === 'later' ? new Date(nextTryMs).toISOString() : null,
  }
  await writeUpdateState(paths, { ...state, update, halted })
  await remember(world, paths, update, halted)
  await createReport(world, config, paths, update, sinks).halted(halted)
}

/** Done: what runs now is what is deployed. Only then is the signal removed. */
async function finish({ world, config, paths, sinks }: Scene, update: Update): Promise<void> {
  const report = createReport(world, config, paths, update, sinks)
  const deployed = { ...update.target, at: isoTime(world) }
  await report.updated()
  await remember(world, paths, update, null)
  await writeUpdateState(paths, { deployed, update: null, last: update, halted: null, held: null })
  await removeSignal(paths, update.target.commit)
}

/** What people look up later never fails an update. */
async function remember(world: World, paths: Paths, update: Update, halt: Halt | null): Promise<void> {
  try {
    await recordEnd(paths, update, halt, isoTime(world))
  } catch (error) {
    world.log.warning(`the history was not written: ${error instanceof Error ? error.message : error}`)
  }
}
