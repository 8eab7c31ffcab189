import type { Service } from '../config/service.ts'
import { commandFor } from '../config/services.ts'
import { windowOpensAt } from '../config/weekly-hours.ts'
import { type Subjects, subjectsBetween } from '../git/checkout.ts'
import { locateRepository } from '../git/repository.ts'
import { failedUnits } from '../service/failed-units.ts'
import { findService } from '../service/find.ts'
import type { ServiceManager } from '../service/manager.ts'
import { areUnitsForeign } from '../service/others.ts'
import { ownUnit, parseTimespan, showUnit } from '../service/systemd/systemctl.ts'
import { readChoices } from '../state/choices.ts'
import { readNewer } from '../state/newer.ts'
import { readPause } from '../state/pause.ts'
import { readSignal } from '../state/signal.ts'
import { readStatus } from '../state/status.ts'
import {
  isEnded,
  lastChanged,
  readUpdateState,
  type Update,
  type UpdateState,
  wasInterrupted,
} from '../state/update-state.ts'
import { readWatchState, type WatchState } from '../state/watch-state.ts'
import { orNull, TelecError } from '../system/errors.ts'
import { isHeld } from '../system/lock.ts'
import { COMMIT, VERSION } from '../system/version.ts'
import { afterHalt } from './after-halt.ts'
import { verifyCheckout } from './checkout.ts'

/** Everything that `telec status` says, as data: `--json` prints it as it is. Times are ISO 8601. */
export type Overview = Awaited<ReturnType<typeof collectOverview>>

/** Reads what this computer knows of itself. Does not ask the remote. */
export async function collectOverview(service: Service) {
  const { world, config, paths } = service
  const state = readUpdateState(paths)
  const watch = readWatchState(paths)
  const { channel, branch, pinned_minor, window: hours } = config.deployment
  const follows = {
    alpha: `the head of ${branch}`,
    beta: 'the newest release',
    stable: `patches of ${pinned_minor}`,
  }
  const { deployed = null, update = null, last = null, rolled_back = null, held = null } = state ?? {}
  const isAtWork = isHeld(world, paths.lock)
  const isInDoubt = state?.halted || (update && (!isAtWork || wasInterrupted(update, 'checkout')))
  const left = state && isInDoubt ? await afterHalt(service, state) : null
  return {
    /** Of the service; null: it has none. */
    name: paths.name,
    scope: paths.scope,
    computer: config.computer,
    /** The telec that is asked. */
    telec: { version: VERSION, commit: COMMIT, newer: readNewer(world) },
    channel,
    follows: follows[channel],
    deployed,
    watch,
    next_poll_at: await nextPoll(service, watch),
    /** Units of telec's own whose last run failed. */
    failed_units: await failedUnits(service),
    signal: readSignal(paths),
    update,
    /** Whether a telec works on it, or on anything else, right now. */
    at_work: isAtWork,
    /** What is wrong with the checkout as a whole. */
    checkout: await checkoutProblem(service, state),
    /** What it is at, as the status says. */
    step: update && (readStatus(paths)?.step ?? null),
    last,
    /** What the commits are about of the update that is under way, or halted, else of the last one. */
    commits: await commitsOf(service, update === null ? last : isEnded(update, 'fetch') ? update : null),
    /** What the last install command changed in tracked files. */
    changed: state ? lastChanged(state) : [],
    rolled_back,
    halted:
      state?.halted && left ? { ...state.halted, go_on: commandFor(paths, state.halted.go_on), left } : null,
    /** What a service that starts now starts, where an update did not end; for people. */
    starts: left?.starts ?? null,
    /** Files of two commits are in the checkout; the update goes on from there. */
    half_way: left?.checkout.at === 'half-way',
    held,
    pause: readPause(paths, world.now()),
    /** What a person pinned, and which versions are never taken. */
    choices: readChoices(paths),
    /** As configured, and when it opens; null while it is open. */
    window:
      hours.length === 0
        ? null
        : { hours, opens_at: windowOpensAt(config, world.now())?.toISOString() ?? null },
    ...(await unitsOverview(service)),
  }
}

/** What was fetched is here; for what was not a partial clone would ask the remote. */
async function commitsOf({ world, config }: Service, update: Update | null): Promise<Subjects | null> {
  if (update === null) return null
  const { from, target } = update
  return orNull(() => {
    const repository = locateRepository(world, config.deployment.checkout)
    return subjectsBetween(repository, from.commit, target.commit)
  })
}

async function checkoutProblem(service: Service, state: UpdateState | null) {
  try {
    await verifyCheckout(service, state)
    return null
  } catch (error) {
    if (!(error instanceof TelecError)) throw error
    const { message, hint = null } = error
    return { message, hint }
  }
}

async function unitsOverview(service: Service) {
  const units = await Promise.all((findService(service)?.managers ?? []).map(unitOverview))
  const unwell = units.find(({ activity }) => activity !== 'running')
  return {
    /** Of several units the first that does not run, else the first. */
    service: unwell ?? units[0] ?? null,
    /** All of them, in the order in which they are restarted. */
    units,
  }
}

async function unitOverview(manager: ServiceManager) {
  const { name, service: unit } = manager
  const state = await orNull(() => manager.inspect())
  return {
    name: unit,
    manager: name,
    activity: state?.activity ?? ('unknown' as const),
    pid: state?.main?.pid ?? null,
  }
}

/** When telec-watch will poll again, which is not before the end of a pause; null where nothing is set up to start it. */
async function nextPoll(service: Service, watch: WatchState | null): Promise<string | null> {
  const starts = await nextStart(service, watch)
  const pause = watch?.next_poll_at
  return starts !== null && pause && pause > starts ? pause : starts
}

async function nextStart(service: Service, watch: WatchState | null): Promise<string | null> {
  const { world, config, paths } = service
  if (findService(service)?.managers[0].name === 'telec run' || world.platform === 'darwin') {
    const last = watch?.polled_at ? Date.parse(watch.polled_at) : world.now()
    return new Date(last + config.deployment.poll_every).toISOString()
  }
  const scope = config.service?.scope ?? paths.scope
  if (areUnitsForeign(service, scope)) return null
  const properties = ['ActiveState', 'NextElapseUSecMonotonic'] as const
  const timer = await showUnit(world, scope, ownUnit(paths, 'telec-watch.timer'), properties).catch(
    () => null,
  ) // no systemd here
  if (timer?.ActiveState !== 'active') return null
  const inMs = parseTimespan(timer.NextElapseUSecMonotonic) - world.monotonic()
  return new Date(world.now() + Math.max(0, inMs)).toISOString()
}
