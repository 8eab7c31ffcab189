import { kill } from 'node:process'
import type { Scope } from '../../config/paths.ts'
import { systemErrorCode, TelecError } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'
import type { ServiceManager, ServiceState } from '../manager.ts'
import { askRoot, type ByRoot } from './by-root.ts'
import { parseTimespan, showManager, showUnit, systemctl, unitName } from './systemctl.ts'

const PROPERTIES = [
  'LoadState',
  'ActiveState',
  'Job',
  'MainPID',
  'ExecMainPID',
  'ActiveEnterTimestampMonotonic',
  'ExecMainStartTimestampMonotonic',
  'ExecMainCode',
  'ExecMainStatus',
  'Restart',
  'RestartForceExitStatus',
  'StartLimitBurst',
  'StartLimitIntervalUSec',
] as const

/** `ExecMainCode` is waitid(2)'s si_code: CLD_EXITED, or a signal. */
const CLD_EXITED = '1'

/** @param root how root is asked to restart it, where the manager does not obey this user. */
export function systemdManager(
  world: World,
  name: string,
  scope: Scope,
  root: ByRoot | null = null,
): ServiceManager {
  const service = unitName(name)
  const begin = async (verb: 'start' | 'restart') => {
    const units = [service, ...(await memberNames(world, scope, service))]
    for (const unit of units) await takeUpChanges(world, scope, unit)
    if (root !== null) return askRoot(world, service, root)
    await systemctl(world, scope, ['reset-failed', ...units], true) // else a start limit that was hit refuses it
    await systemctl(world, scope, [verb, service])
  }
  // The look before this one: with another process the manager is asked about itself, too, and only then.
  let seen: { readonly identity: string | undefined; readonly atMs: number } | undefined
  return {
    name: 'systemd',
    service,
    async inspect() {
      const before = seen
      const atMs = world.monotonic()
      const state = stateOf(await showUnit(world, scope, service, PROPERTIES), world.monotonic())
      seen = { identity: state.main?.identity, atMs }
      const isOther = before?.identity !== undefined && before.identity !== seen.identity
      if (!state.main || isOther) await verifyWasUp(world, scope, before?.atMs ?? atMs, state.main !== null)
      return state
    },
    async members() {
      return (await memberNames(world, scope, service)).map((member) => systemdManager(world, member, scope))
    },
    async askToLeave() {
      await takeUpChanges(world, scope, service) // before it leaves: systemd starts the next one by itself
      if (root !== null) return askMain(world, service, root)
      // --kill-who=main: the others of its control group are its own business (systemd 252 renamed it, both work).
      await systemctl(world, scope, ['kill', '--kill-who=main', '--signal=SIGTERM', service])
    },
    start: () => begin('start'),
    restart: () => begin('restart'),
  }
}

/** SIGTERM to a process of the same user; of another user's it is root that has to restart the service. */
async function askMain(world: World, service: string, root: ByRoot): Promise<void> {
  const { MainPID } = await showUnit(world, 'system', service, ['MainPID'])
  try {
    if (Number(MainPID) > 0) kill(Number(MainPID), 'SIGTERM')
  } catch (error) {
    if (systemErrorCode(error) === 'EPERM') await askRoot(world, service, root)
    else if (systemErrorCode(error) !== 'ESRCH') throw error // it has left by itself
  }
}

/** What a target starts or restarts with itself: what systemd.unit(5) has as Wants=, Requires= and the like, or PartOf=. */
const PULLS_IN = ['Wants', 'Requires', 'BindsTo', 'Upholds', 'ConsistsOf'] as const

async function memberNames(world: World, scope: Scope, unit: string): Promise<string[]> {
  if (!unit.endsWith('.target')) return []
  const shown = Object.values(await showUnit(world, scope, unit, PULLS_IN))
  return [...new Set(shown.join(' ').split(' '))].filter((name) => name.endsWith('.service')).toSorted()
}

/** Has systemd read a unit that changed on the disk, as one that lies in the checkout does with an update. */
async function takeUpChanges(world: World, scope: Scope, unit: string): Promise<void> {
  const { NeedDaemonReload } = await showUnit(world, scope, unit, ['NeedDaemonReload'])
  if (NeedDaemonReload !== 'yes') return
  try {
    await systemctl(world, scope, ['daemon-reload'])
    world.log.notice(`${unit} has changed on the disk: systemd read it anew`)
  } catch (error) {
    if (!(error instanceof TelecError) || error.kind !== 'halted') throw error
    const how = `sudo systemctl daemon-reload; sudo systemctl restart ${unit}`
    world.log.warning(`${unit} has changed on the disk, and telec may not have systemd read it anew: ${how}`)
  }
}

/** States of a manager in which its units do not run yet, or no longer. */
const PASSING = ['initializing', 'starting', 'stopping']

/**
 * Throws `later` where the manager itself explains what was seen: it was started anew since `sinceMs`, and all units with
 * it, or nothing runs because it starts or stops.
 */
async function verifyWasUp(world: World, scope: Scope, sinceMs: number, runs: boolean): Promise<void> {
  const shown = await showManager(world, scope, ['SystemState', 'UserspaceTimestampMonotonic'])
  const isAnew = Number(shown.UserspaceTimestampMonotonic) / 1000 > sinceMs // daemon-reexec leaves it as it was
  if (!isAnew && (runs || !PASSING.includes(shown.SystemState))) return
  const what = isAnew ? 'was started anew' : `is ${shown.SystemState}`
  throw new TelecError('later', `systemd (--${scope}) ${what}`, {
    hint: 'nothing, where it is started again (an upgrade, a reboot); else what it waits for: systemctl list-jobs',
  })
}

/** @param nowMs CLOCK_MONOTONIC; the unit's timestamps are microseconds of the same clock. */
export function stateOf(unit: Record<(typeof PROPERTIES)[number], string>, nowMs: number): ServiceState {
  const pid = Number(unit.MainPID)
  const startedMs = Number(unit.ExecMainStartTimestampMonotonic) / 1000
  const { ActiveState, ExecMainStatus } = unit
  const hasExited = unit.ExecMainCode === CLD_EXITED
  // systemd starts it again after the way in which it ended, unless somebody told it not to.
  const wouldReturn = () =>
    unit.Restart === 'always' ||
    (hasExited && unit.RestartForceExitStatus.split(' ').includes(ExecMainStatus))
  const exit = hasExited ? `exit code ${ExecMainStatus}` : `signal ${ExecMainStatus}`
  const hasRun = startedMs > 0
  const isQueued = ActiveState === 'inactive' && Number(unit.Job) > 0 // between the two halves of a restart
  const activity = isQueued ? 'starting' : (ACTIVITIES[ActiveState] ?? 'stopped')
  const runs = {
    pid: pid || null,
    // One that remains active when its process has ended is still the same run.
    identity: hasRun
      ? `${pid || unit.ExecMainPID}@${unit.ExecMainStartTimestampMonotonic}`
      : `active@${unit.ActiveEnterTimestampMonotonic}`,
    uptimeMs: Math.max(0, nowMs - (hasRun ? startedMs : Number(unit.ActiveEnterTimestampMonotonic) / 1000)),
  }
  return {
    known: unit.LoadState === 'not-found' ? 'no' : unit.LoadState === 'masked' ? 'masked' : 'yes',
    activity,
    isStoppedOnPurpose: activity === 'stopped' && pid === 0 && hasRun && wouldReturn(),
    main: pid > 0 || activity === 'running' ? runs : null,
    lastExit: pid > 0 || !hasRun ? null : exit,
    shortestRunMs: shortestRun(unit.StartLimitBurst, unit.StartLimitIntervalUSec),
  }
}

const ACTIVITIES: Readonly<Record<string, ServiceState['activity']>> = {
  active: 'running',
  reloading: 'running',
  activating: 'starting',
  deactivating: 'starting', // on its way to the next main process, or to `inactive`
  failed: 'failed',
}

/** With runs of at least this length, `burst` starts never fall into one `interval` (systemd.unit(5)). */
function shortestRun(burst: string, interval: string): number {
  const starts = Number(burst)
  return starts > 0 ? Math.min(60_000, (parseTimespan(interval) / starts) * 1.1) : 0
}
