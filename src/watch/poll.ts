import { type Decision, decide, newerReleases } from '../channel/decide.ts'
import { type Ref, releasesIn } from '../channel/releases.ts'
import { remember } from '../channel/sightings.ts'
import { nameOf, type Target } from '../channel/target.ts'
import type { Config } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { asAsked } from '../config/services.ts'
import { locateRepository, type Repository } from '../git/repository.ts'
import { readChoices } from '../state/choices.ts'
import { correctPause } from '../state/pause.ts'
import { isUnwatchable, readSignal, removeSignal, wakeUpdater, writeSignal } from '../state/signal.ts'
import { hasMoved, readUpdateState, rollbackUnderWay, type UpdateState } from '../state/update-state.ts'
import {
  NEVER_POLLED,
  readWatchState,
  recordPoll,
  type WatchState,
  writeWatchState,
} from '../state/watch-state.ts'
import { type Backoff, backoffMs, isWaitOver } from '../system/backoff.ts'
import { TelecError } from '../system/errors.ts'
import { localTime } from '../system/local-time.ts'
import { acquireLock } from '../system/lock.ts'
import { isoTime, type World } from '../system/world.ts'
import { adopt } from '../update/adopt.ts'
import { isUpdateDue } from './next-poll.ts'
import { isOutOfReach, readOffers } from './offers.ts'
import type { Polled } from './quiet.ts'

export interface PollOptions {
  /** Look and tell; write neither the signal nor what was seen. */
  readonly dryRun: boolean
  /** As the timer polls: less and less often while the remote is out of reach, which it reports once. */
  readonly scheduled: boolean
  /** What quiet.sh heard from the remote just now; null: nothing. */
  readonly heard: string | null
}

/** So long a remote that is back may go unnoticed. */
const LONGEST_PAUSE_MS = 15 * 60_000

/** Polls once: writes the signal where the channel wants something else than what is deployed. Throws `later` out of reach. */
export async function poll(service: Service, options: PollOptions): Promise<Polled> {
  const { dryRun, scheduled, heard } = options
  const { world, config, paths } = service
  const { deployment } = config
  const repository = locateRepository(world, deployment.checkout)
  const state = readUpdateState(paths) ?? (await adoptFirst(service, repository))
  const before = readWatchState(paths)
  if (scheduled) verifyNotPausing(service, before)
  if (!dryRun) await correctPause(paths, world.now()).catch(() => undefined) // what is wrong with it holds updates, not polls
  if (!dryRun && (isUpdateDue(service) || isUnwatchable(service))) await wakeUpdater(service)
  try {
    const isNews = before === null || (before.failures === 0 && before.via === null)
    const { deployed, rolled_back, halted } = state
    const { refs, via, list, defaultBranch } = await readOffers(service, repository, {
      deployed,
      isNews,
      heard,
    })
    const newest = offered(deployment, refs, deployed)
    const seen = remember(before?.seen ?? [], newest, deployed.commit, isoTime(world))
    const rolledBack = rolled_back?.targets ?? []
    const choices = readChoices(paths)
    const past = { deployed, seen, rolledBack, choices, now: world.now(), defaultBranch }
    const decision = tellHalt(decide(deployment, refs, past), halted)
    if (dryRun) return { decision, list }
    await act(service, state, decision)
    const after: WatchState = {
      ...NEVER_POLLED,
      polled_at: isoTime(world),
      outcome: decision.kind,
      reason: decision.reason,
      target: 'target' in decision ? decision.target : null,
      refusal: decision.kind === 'refused' ? decision.refusal : null,
      hint: decision.kind === 'missing' ? decision.hint : null,
      seen,
      malformed: [...decision.malformed],
      via,
    }
    await recordPoll(paths, after, before, world.now())
    if (via !== null && via !== before?.via)
      world.log.notice(`the mirror ${via} answers instead of the remote`)
    tell(world, decision, before, scheduled)
    return { decision, list }
  } catch (error) {
    // What worked is refused: a token has expired. At the first poll of all a person is there to read it.
    const isRefused =
      error instanceof TelecError && (error.isRefused || (before !== null && error.kind === 'config'))
    if (dryRun || !(isOutOfReach(error) || isRefused)) throw error
    await recordFailure(service, before ?? NEVER_POLLED, error)
    const isKnown = scheduled && isSaid(before, error)
    throw isKnown ? new TelecError('later', error.message, { quiet: true }) : error
  }
}

/** Whether the log has it from the poll before: a refusal that is another one is news. */
function isSaid(before: WatchState | null, error: TelecError): boolean {
  if (before === null || before.failures === 0) return false
  return error.kind === 'later' || (error.isRefused && before.last_failure === error.message)
}

/** The timer's polls pause: not after the first failure, but at once where the server may count failed logins. */
async function recordFailure(
  { world, config, paths }: Service,
  before: WatchState,
  error: TelecError,
): Promise<void> {
  const failures = before.failures + 1
  const repair = error.kind === 'later' ? null : (error.hint ?? null)
  const isPausing = error.isRefused || (failures > 1 && isOutOfReach(error))
  const pauseMs = isPausing ? backoffMs(pausesOf(config, repair), failures, config.computer) : 0
  await writeWatchState(paths, {
    ...before,
    failures,
    last_failure: (isOutOfReach(error) ? error.because : null) ?? error.message,
    repair,
    next_poll_at: pauseMs === 0 ? null : new Date(world.now() + pauseMs).toISOString(),
  })
}

/** fail2ban(1) locks a computer out that fails to log in five times in ten minutes. */
const REFUSED_POLLS = 5

/** @param repair what a person has to do; null: it passes by itself. */
function pausesOf({ deployment }: Config, repair: string | null): Backoff {
  const firstMs = deployment.poll_every * (repair === null ? 1 : REFUSED_POLLS)
  return { firstMs, longestMs: Math.max(LONGEST_PAUSE_MS, deployment.poll_every) }
}

/** Throws where a remote that is out of reach, or refuses a login, is given time. */
function verifyNotPausing({ world, config }: Service, watch: WatchState | null): void {
  if (!watch?.next_poll_at) return
  const { failures, next_poll_at, repair } = watch
  if (isWaitOver(pausesOf(config, repair), failures, config.computer, next_poll_at, world.now())) return
  const why = `${failures} polls failed; the next is due at ${localTime(next_poll_at)}`
  throw new TelecError('later', why, { quiet: true })
}

/** A halt holds a target, too; whether it is over is telec-update's to decide. */
function tellHalt(decision: Decision, halted: UpdateState['halted']): Decision {
  if (halted === null) return decision
  const then = halted.next_try_at
    ? `it is tried again from ${localTime(halted.next_try_at)}`
    : 'telec-update --retry'
  const rule = `halted at ${halted.step}: ${then}`
  const considered = decision.considered.map((one) =>
    one.target.commit === halted.target.commit ? { ...one, rule, until: halted.next_try_at } : one,
  )
  return { ...decision, considered }
}

/** What was offered that is worth remembering. */
function offered(deployment: Config['deployment'], refs: readonly Ref[], deployed: Target) {
  if (deployment.channel === 'alpha') return refs.map(({ name, commit }) => ({ ref: name, commit }))
  return newerReleases(deployment, releasesIn(refs), deployed).toReversed()
}

async function act(service: Service, state: UpdateState, decision: Decision): Promise<void> {
  // While the remote was asked an update may have ended: what was decided is outdated, and the next poll decides anew.
  if (readUpdateState(service.paths)?.deployed.commit !== state.deployed.commit) return
  const rollback = rollbackUnderWay(state)
  if (rollback) await signal(service, rollback.from, rollback.target, 'telec-update rollback')
  else if (decision.kind === 'update') await signal(service, state.deployed, decision.target)
  else if (decision.kind === 'current' || decision.kind === 'held')
    await takeBack(service, state, asAsked(service.world, decision.reason))
}

/** Signals a target that polls refuse, if there is one and a person permits it. */
export async function signalRefused(service: Service, permits: readonly string[]): Promise<void> {
  const { paths } = service
  const state = readUpdateState(paths)
  const watch = readWatchState(paths)
  const { target, refusal } = watch ?? { target: null, refusal: null }
  if (!state || !watch || !target || !refusal || !permits.includes(refusal)) return
  await signal(service, state.deployed, target)
  // From now on this is the commit that the tag is known at.
  const seen = watch.seen.map((one) => (one.ref === target.ref ? { ...one, commit: target.commit } : one))
  await writeWatchState(paths, { ...watch, seen })
}

async function adoptFirst(service: Service, repository: Repository): Promise<UpdateState> {
  const { world, paths } = service
  const lock = acquireLock(world, paths.lock)
  try {
    return readUpdateState(paths) ?? (await adopt(service, repository))
  } finally {
    lock.release()
  }
}

/** Writes the signal where it asks for something else so far; its time is that of the detection. */
async function signal(service: Service, from: Target, target: Target, source = 'telec-watch'): Promise<void> {
  if (readSignal(service.paths)?.target.commit === target.commit) return
  await writeSignal(service, from, target, source)
  service.world.log.notice(`new version: ${nameOf(target)} at ${target.ref}; ${nameOf(from)} is deployed`)
}

/** What was signalled is wanted no more, and nothing of it has reached the checkout yet: there is nothing to do. */
async function takeBack(
  { world, paths }: Service,
  { deployed, update }: UpdateState,
  reason: string,
): Promise<void> {
  const pending = readSignal(paths)
  if (!pending || pending.target.commit === deployed.commit || (update && hasMoved(update))) return
  await removeSignal(paths, pending.target.commit)
  world.log.notice(`taken back: ${nameOf(pending.target)}: ${reason}`)
}

/** One line where something changed, the others for those who debug: a timer's poll that found nothing leaves none. */
function tell(world: World, decision: Decision, before: WatchState | null, scheduled: boolean): void {
  const told = before?.malformed ?? []
  const malformed = decision.malformed.filter((tag) => !told.includes(tag))
  if (malformed.length > 0)
    world.log.notice(`passed over: ${malformed.join(', ')}: a release is tagged like v1.2.3 (semver.org)`)
  const isNews = before?.reason !== decision.reason
  const reason = asAsked(world, decision.reason)
  if (decision.kind === 'refused' && isNews) world.log.warning(`not taken: ${reason}`)
  else if (decision.kind === 'missing' && isNews && scheduled)
    world.log.warning(`nothing to follow: ${decision.reason}; ${decision.hint}`) // by hand it is an error, each time
  else if (decision.kind === 'held' && before?.target?.commit !== decision.target.commit)
    world.log.notice(`not yet: ${reason}`)
  else if (!scheduled || world.env.TELEC_DEBUG) world.log.debug(`polled: ${decision.kind}: ${reason}`)
  if (before && before.failures > 0)
    world.log.notice(`the remote is back after ${before.failures} poll(s) without it`)
}
