import { type Decision, decide, newerReleases } from '../channel/decide.ts'
import { type Ref, releasesIn } from '../channel/releases.ts'
import { remember } from '../channel/sightings.ts'
import { nameOf, type Target } from '../channel/target.ts'
import type { Deployment } from '../config/deployment.ts'
import type { Config } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { asAsked } from '../config/services.ts'
import { windowOpensAt } from '../config/weekly-hours.ts'
import { locateRepository, type Repository } from '../git/repository.ts'
import { readChoices } from '../state/choices.ts'
import { correctPause, readPause } from '../state/pause.ts'
import { isUnwatchable, readSignal, removeSignal, wakeUpdater, writeSignal } from '../state/signal.ts'
import {
  isUnderWay,
  isUnderWayTo,
  readUpdateState,
  rollbackUnderWay,
  type UpdateState,
} from '../state/update-state.ts'
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
import { count } from '../system/plural.ts'
import { isoTime, type World } from '../system/world.ts'
import { adopt } from '../update/adopt.ts'
import { mayRetryNow } from '../update/retry.ts'
import type { Polled } from './quiet.ts'
import { isUnreachable, readRefs } from './refs.ts'

export interface PollOptions {
  /** Write neither the signal nor the state. */
  readonly dryRun: boolean
  /** Poll as the timer does: less and less often while the remote is out of reach, and report that once. */
  readonly scheduled: boolean
  /** What quiet.sh just read from the remote. */
  readonly heard: string | null
}

/** Polls once, and writes the signal if the decision is an update. Throws `later` if the remote is out of reach. */
export async function poll(service: Service, options: PollOptions): Promise<Polled> {
  const { dryRun, scheduled, heard } = options
  const { world, config, paths } = service
  const { deployment } = config
  const repository = locateRepository(world, deployment.checkout)
  const state = readUpdateState(paths) ?? (await adoptFirst(service, repository))
  const before = readWatchState(paths)
  if (scheduled) verifyPollDue(service, before)
  if (!dryRun) {
    await correctPause(paths, world.now()).catch(() => undefined) // an invalid pause.json stops updates, not polls
    if (isUpdatePending(service) || isUnwatchable(service)) await wakeUpdater(service)
  }
  try {
    const { deployed, rolled_back, halted, update } = state
    const isNews = before === null || (before.failures === 0 && before.via === null)
    const remote = await readRefs(service, repository, { deployed, isNews, heard })
    const { refs, via, list, defaultBranch } = remote
    const seen = remember(
      before?.seen ?? [],
      refsToRecord(deployment, refs, deployed),
      deployed.commit,
      isoTime(world),
    )
    const rolledBack = rolled_back?.targets ?? []
    const choices = readChoices(paths)
    const isRollingBack = update?.rollback != null
    const known = { deployed, seen, rolledBack, isRollingBack, choices, now: world.now(), defaultBranch }
    const decision = withHalt(decide(deployment, refs, known), halted)
    if (dryRun) return { decision, list, isLogged: false }
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
    return { decision, list, isLogged: report(world, decision, before, scheduled) }
  } catch (error) {
    // A remote that refused the first poll never worked: the user reads the error.
    const isRefused =
      error instanceof TelecError && (error.isRefused || (before !== null && error.kind === 'config'))
    if (dryRun || !(isUnreachable(error) || isRefused)) throw error
    await recordFailure(service, before ?? NEVER_POLLED, error)
    const isKnown = scheduled && wasReported(before, error)
    throw isKnown ? new TelecError('later', error.message, { quiet: true }) : error
  }
}

/** Whether telec-update would act on the signal now. A halted target waits for its retry. */
export function isUpdatePending({ world, config, paths }: Service): boolean {
  const pending = readSignal(paths)
  if (pending === null) return false
  const state = readUpdateState(paths)
  const { halted = null, update = null } = state ?? {}
  const isBegun = isUnderWayTo(update, pending.target.commit)
  if (pending.channel !== config.deployment.channel && !isBegun) return false // a poll replaces its signal
  const isRollback = state !== null && rollbackUnderWay(state) !== null
  if (!isRollback && readPause(paths, world.now()) !== null) return false
  if (!isBegun && windowOpensAt(config, world.now()) !== null) return false
  return halted?.target.commit !== pending.target.commit || mayRetryNow(halted, world.now(), config.computer)
}

/** Whether the poll before reported the same failure. Another refusal is news. */
function wasReported(before: WatchState | null, error: TelecError): boolean {
  if (before === null || before.failures === 0) return false
  return error.kind === 'later' || (error.isRefused && before.last_failure === error.message)
}

/** Scheduled polls wait after the second failure, and after the first refused login: the server may count those. */
async function recordFailure(
  { world, config, paths }: Service,
  before: WatchState,
  error: TelecError,
): Promise<void> {
  const failures = before.failures + 1
  const repair = error.kind === 'later' ? null : (error.hint ?? null)
  const waits = error.isRefused || (failures > 1 && isUnreachable(error))
  const waitMs = waits ? backoffMs(backoffOf(config, repair), failures, config.computer) : 0
  await writeWatchState(paths, {
    ...before,
    failures,
    last_failure: (isUnreachable(error) ? error.because : null) ?? error.message,
    repair,
    next_poll_at: waits ? new Date(world.now() + waitMs).toISOString() : null,
  })
}

/** Time that may pass until a scheduled poll notices that the remote is back. */
const LONGEST_WAIT_MS = 15 * 60_000
/** fail2ban(1) bans a computer after five failed logins in ten minutes. */
const REFUSED_INTERVALS = 5

/** @param repair what the user has to do; null: nothing. */
function backoffOf({ deployment }: Config, repair: string | null): Backoff {
  const firstMs = deployment.poll_every * (repair === null ? 1 : REFUSED_INTERVALS)
  return { firstMs, longestMs: Math.max(LONGEST_WAIT_MS, deployment.poll_every) }
}

/** Throws `later`, quietly, while scheduled polls wait after failures. */
function verifyPollDue({ world, config }: Service, watch: WatchState | null): void {
  if (!watch?.next_poll_at) return
  const { failures, next_poll_at, repair } = watch
  if (isWaitOver(backoffOf(config, repair), failures, config.computer, next_poll_at, world.now())) return
  const why = `${count(failures, 'poll')} failed; next poll: ${localTime(next_poll_at)}`
  throw new TelecError('later', why, { quiet: true })
}

/** Explains the halted target. Only telec-update decides whether its halt is over. */
function withHalt(decision: Decision, halted: UpdateState['halted']): Decision {
  if (halted === null) return decision
  const { step, next_try_at: until } = halted
  const rule = `halted at ${step}: ${until ? `next attempt: ${localTime(until)}` : 'telec-update --retry'}`
  const considered = decision.considered.map((one) =>
    one.target.commit === halted.target.commit ? { ...one, rule, until } : one,
  )
  return { ...decision, considered }
}

function refsToRecord(deployment: Deployment, refs: readonly Ref[], deployed: Target) {
  if (deployment.channel === 'alpha') return refs.map(({ name, commit }) => ({ ref: name, commit }))
  return newerReleases(deployment, releasesIn(refs), deployed).toReversed()
}

async function act(service: Service, state: UpdateState, decision: Decision): Promise<void> {
  // An update ended during this poll: the decision is outdated, and the next poll decides.
  if (readUpdateState(service.paths)?.deployed.commit !== state.deployed.commit) return
  const rollback = rollbackUnderWay(state)
  if (rollback) await signal(service, rollback.from, rollback.target, 'telec-update rollback')
  else if (decision.kind === 'update') await signal(service, state.deployed, decision.target)
  else if (decision.kind === 'current' || decision.kind === 'held')
    await withdrawSignal(service, state, asAsked(service.world, decision.reason))
}

/** Signals the target that polls refuse, if there is one and the user permits it. */
export async function signalRefused(service: Service, permits: readonly string[]): Promise<void> {
  const { paths } = service
  const state = readUpdateState(paths)
  const watch = readWatchState(paths)
  const { target, refusal } = watch ?? { target: null, refusal: null }
  if (!state || !watch || !target || !refusal || !permits.includes(refusal)) return
  await signal(service, state.deployed, target)
  // This is now the known commit of the tag.
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

/** Keeps a signal for the same target: its time says when telec-watch first saw it. */
async function signal(service: Service, from: Target, target: Target, source = 'telec-watch'): Promise<void> {
  if (readSignal(service.paths)?.target.commit === target.commit) return
  await writeSignal(service, from, target, source)
  service.world.log.notice(`new version: ${nameOf(target)} at ${target.ref}; ${nameOf(from)} is deployed`)
}

/** Removes a signal for a target that is no longer wanted, unless telec has to end its update. */
async function withdrawSignal(
  { world, paths }: Service,
  { deployed, update }: UpdateState,
  reason: string,
): Promise<void> {
  const pending = readSignal(paths)
  if (!pending || pending.target.commit === deployed.commit || (update && isUnderWay(update))) return
  await removeSignal(paths, pending.target.commit)
  world.log.notice(`withdrawn: ${nameOf(pending.target)}: ${reason}`)
}

/**
 * Logs news, and the rest for debugging: a scheduled poll that found nothing new logs nothing.
 *
 * @returns whether it logged the decision.
 */
function report(world: World, decision: Decision, before: WatchState | null, scheduled: boolean): boolean {
  const known = before?.malformed ?? []
  const malformed = decision.malformed.filter((tag) => !known.includes(tag))
  if (malformed.length > 0)
    world.log.notice(`skipped ${malformed.join(', ')}: name a tag of a release like v1.2.3 (semver.org)`)
  const isNews = before?.reason !== decision.reason
  const reason = asAsked(world, decision.reason)
  const isRefused = decision.kind === 'refused' && isNews
  const isHeld = decision.kind === 'held' && before?.target?.commit !== decision.target.commit
  if (isRefused) world.log.warning(`not taken: ${reason}`)
  else if (decision.kind === 'missing' && isNews && scheduled)
    world.log.warning(`nothing to follow: ${decision.reason}; ${decision.hint}`) // unscheduled, it is an error
  else if (isHeld) world.log.notice(`not yet: ${reason}`)
  else if (!scheduled || world.env.TELEC_DEBUG) world.log.debug(`polled: ${decision.kind}: ${reason}`)
  if (before && before.failures > 0)
    world.log.notice(`the remote is back after ${count(before.failures, 'failed poll')}`)
  return isRefused || isHeld
}
