import { type Service, scopeOf } from '../config/service.ts'
import { commandFor } from '../config/services.ts'
import { windowOpensAt } from '../config/weekly-hours.ts'
import { type Subjects, subjectsBetween } from '../git/checkout.ts'
import { locateRepository } from '../git/repository.ts'
import { failedUnits } from '../service/failed-units.ts'
import { findService } from '../service/find.ts'
import { areUnitsForeign } from '../service/others.ts'
import { readSupervisor } from '../service/run/manager.ts'
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
import { foreseen, orNull } from '../system/errors.ts'
import { isHeld } from '../system/lock.ts'
import { COMMIT, VERSION } from '../system/version.ts'
import { afterHalt, verifyCheckout } from './checkout.ts'

/** The data of `telec status`, which `--json` prints. Times are ISO 8601. */
export type Overview = Awaited<ReturnType<typeof collectOverview>>

/** Reads the state files, git and the service manager; does not ask the remote. */
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
  const after = state && isInDoubt ? await afterHalt(service, state) : null
  return {
    /** Of the service; null: the first one has none. */
    name: paths.name,
    scope: paths.scope,
    computer: config.computer,
    telec: { version: VERSION, commit: COMMIT, newer: await readNewer(world) },
    channel,
    follows: follows[channel],
    deployed,
    watch,
    next_poll_at: await nextPoll(service, watch),
    /** telec's own units whose last run failed. */
    failed_units: await failedUnits(service),
    signal: readSignal(paths),
    update,
    /** Whether any telec holds the lock. */
    at_work: isAtWork,
    /** The problem of the checkout as a whole. */
    checkout: await checkoutProblem(service, state),
    step: update && (readStatus(paths)?.step ?? null),
    last,
    /** Subjects of the update under way or halted, else of the last update. */
    commits: await commitsOf(service, update === null ? last : isEnded(update, 'fetch') ? update : null),
    /** Tracked files that the last install command changed. */
    changed: state ? lastChanged(state) : [],
    rolled_back,
    halted:
      state?.halted && after
        ? { ...state.halted, go_on: commandFor(paths, state.halted.go_on), left: after }
        : null,
    /** What a restart starts, for people; null: what runs already. */
    starts: after?.starts ?? null,
    /** The checkout has files of two commits; the update resumes there. */
    half_way: after?.checkout.at === 'half-way',
    held,
    pause: readPause(paths, world.now()),
    choices: readChoices(paths),
    /** `opens_at` is null while it is open. */
    window:
      hours.length === 0
        ? null
        : { hours, opens_at: windowOpensAt(config, world.now())?.toISOString() ?? null },
    ...(await unitsOverview(service)),
  }
}

/** For a commit that was not fetched a partial clone would ask the remote. */
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
    const { message, hint = null } = foreseen(error)
    return { message, hint }
  }
}

async function unitsOverview(service: Service) {
  const managers = findService(service)?.managers ?? []
  const units = await Promise.all(
    managers.map(async ({ name: manager, service: name, inspect }) => {
      const state = await orNull(inspect)
      const activity = state?.activity ?? ('unknown' as const)
      return { name, manager, activity, pid: state?.main?.pid ?? null }
    }),
  )
  const unwell = units.find(({ activity }) => activity !== 'running')
  return {
    /** The first unit that does not run, else the first. */
    service: unwell ?? units[0] ?? null,
    /** In the order of restarts. */
    units,
  }
}

/** When telec-watch polls again; null: no timer starts it. */
async function nextPoll(service: Service, watch: WatchState | null): Promise<string | null> {
  const starts = await nextStart(service, watch)
  const earliest = watch?.next_poll_at
  return starts !== null && earliest && earliest > starts ? earliest : starts
}

async function nextStart(service: Service, watch: WatchState | null): Promise<string | null> {
  const { world, config, paths } = service
  if (readSupervisor(service) !== null || world.platform === 'darwin') {
    const last = watch?.polled_at ? Date.parse(watch.polled_at) : world.now()
    return new Date(last + config.deployment.poll_every).toISOString()
  }
  const scope = scopeOf(service)
  if (areUnitsForeign(service, scope)) return null
  const properties = ['ActiveState', 'NextElapseUSecMonotonic'] as const
  const timer = await showUnit(world, scope, ownUnit(paths, 'telec-watch.timer'), properties).catch(
    () => null,
  ) // no systemd here
  if (timer?.ActiveState !== 'active') return null
  const inMs = parseTimespan(timer.NextElapseUSecMonotonic) - world.monotonic()
  return new Date(world.now() + Math.max(0, inMs)).toISOString()
}
