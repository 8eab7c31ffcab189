import type { Scope } from '../../config/paths.ts'
import { foreseen, shellWord, TelecError } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'
import { askRoot, type RootUnit, type RootUnitState, terminate } from '../by-root.ts'
import type { ServiceManager, ServiceState } from '../manager.ts'
import { parseTimespan, showUnit, showUnits, systemctl, unitName } from './systemctl.ts'

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

/** @param root restarts the service, where systemd does not take this user's commands. */
export function systemdManager(
  world: World,
  name: string,
  scope: Scope,
  root: RootUnit | null = null,
): ServiceManager {
  const service = unitName(name)
  const begin = async (verb: 'start' | 'restart') => {
    const units = [service, ...(await memberNames(world, scope, service))]
    for (const unit of units) await reloadIfChanged(world, scope, unit)
    if (root !== null) return byRoot(root)
    await systemctl(world, scope, ['reset-failed', ...units], true) // else a start limit that was hit refuses it
    await systemctl(world, scope, [verb, service])
  }
  const byRoot = ({ name: own, request }: RootUnit) => {
    const [path, unit] = [`${own}.path`, `${own}.service`]
    const hint = `see systemctl status ${unit}; start it: sudo systemctl restart ${path}. Then: telec-update --retry`
    return askRoot(world, service, request, hint, () => rootUnitState(world, path, unit))
  }
  // The inspection before: where it saw another process, telec asks systemd about itself, too.
  let last: { readonly identity: string | undefined; readonly atMs: number } | undefined
  return {
    name: 'systemd',
    service,
    async inspect() {
      const before = last
      const atMs = world.monotonic()
      const state = stateOf(await showUnit(world, scope, service, PROPERTIES), world.monotonic())
      last = { identity: state.main?.identity, atMs }
      const isOther = before?.identity !== undefined && before.identity !== last.identity
      if (!state.main || isOther) await verifyWasUp(world, scope, before?.atMs ?? atMs, state.main !== null)
      return state
    },
    async members() {
      return (await memberNames(world, scope, service)).map((member) => systemdManager(world, member, scope))
    },
    async terminate() {
      await reloadIfChanged(world, scope, service) // first: systemd may restart the service at once
      if (root === null)
        // --kill-who=main: the service itself ends its other processes (systemd 252 renamed it, both work).
        await systemctl(world, scope, ['kill', '--kill-who=main', '--signal=SIGTERM', service])
      else {
        const { MainPID } = await showUnit(world, scope, service, ['MainPID'])
        if (!terminate(Number(MainPID))) await byRoot(root)
      }
    },
    start: () => begin('start'),
    restart: () => begin('restart'),
  }
}

const ROOT_PROPERTIES = ['ActiveState', 'Job', 'InvocationID', 'LoadState', 'Result'] as const

async function rootUnitState(world: World, path: string, unit: string): Promise<RootUnitState | string> {
  const shown = await showUnits(world, 'system', [path, unit], ROOT_PROPERTIES)
  const [watcher, job] = [shown.get(path), shown.get(unit)]
  if (job?.LoadState !== 'loaded') return `${unit} is ${job?.LoadState}`
  if (watcher?.ActiveState !== 'active') return `${path} is ${watcher?.ActiveState}`
  return {
    run: job.InvocationID,
    isRunning: job.ActiveState === 'activating' || job.Job !== '',
    failure: job.Result === 'success' ? null : `${unit} fails: ${job.Result}`,
  }
}

/** The units that a target starts or restarts with itself (systemd.unit(5)); ConsistsOf= is the reverse of PartOf=. */
const PULLS_IN = ['Wants', 'Requires', 'BindsTo', 'Upholds', 'ConsistsOf'] as const

async function memberNames(world: World, scope: Scope, unit: string): Promise<string[]> {
  if (!unit.endsWith('.target')) return []
  const shown = Object.values(await showUnit(world, scope, unit, PULLS_IN))
  return [...new Set(shown.join(' ').split(' '))].filter((name) => name.endsWith('.service')).toSorted()
}

/** An update changes a unit on the disk, if the unit is a link into the checkout. */
async function reloadIfChanged(world: World, scope: Scope, unit: string): Promise<void> {
  const { NeedDaemonReload } = await showUnit(world, scope, unit, ['NeedDaemonReload'])
  if (NeedDaemonReload !== 'yes') return
  try {
    await systemctl(world, scope, ['daemon-reload'])
    world.log.notice(`${unit} has changed on the disk: systemd reloaded it`)
  } catch (error) {
    if (foreseen(error).kind !== 'halted') throw error
    const how = `sudo systemctl daemon-reload; sudo systemctl restart ${shellWord(unit)}`
    world.log.warning(`${unit} has changed on the disk, and telec is not allowed to reload it: ${how}`)
  }
}

/** States of a manager whose units do not run yet, or no longer. */
const PASSING = ['initializing', 'starting', 'stopping']

/**
 * Throws `later` where the manager itself explains the state of its units: it restarted since `sinceMs`, and all units with
 * it, or nothing runs because it starts or stops.
 */
async function verifyWasUp(world: World, scope: Scope, sinceMs: number, runs: boolean): Promise<void> {
  const shown = await showUnit(world, scope, null, ['SystemState', 'UserspaceTimestampMonotonic'])
  const hasRestarted = Number(shown.UserspaceTimestampMonotonic) / 1000 > sinceMs // daemon-reexec does not change it
  if (!hasRestarted && (runs || !PASSING.includes(shown.SystemState))) return
  throw new TelecError(
    'later',
    `systemd (--${scope}) ${hasRestarted ? 'restarted' : `is ${shown.SystemState}`}`,
    {
      hint: 'wait, if it restarts (an upgrade, a reboot); else see what it waits for: systemctl list-jobs',
    },
  )
}

/** @param nowMs CLOCK_MONOTONIC; the unit's timestamps are microseconds of the same clock. */
export function stateOf(unit: Record<(typeof PROPERTIES)[number], string>, nowMs: number): ServiceState {
  const pid = Number(unit.MainPID)
  const startedMs = Number(unit.ExecMainStartTimestampMonotonic) / 1000
  const { ActiveState, ExecMainStatus } = unit
  const hasExited = unit.ExecMainCode === CLD_EXITED
  // systemd restarts it after this exit, unless a user stopped it.
  const wouldRestart = () =>
    unit.Restart === 'always' ||
    (hasExited && unit.RestartForceExitStatus.split(' ').includes(ExecMainStatus))
  const exit = hasExited ? `exit code ${ExecMainStatus}` : `signal ${ExecMainStatus}`
  const hasRun = startedMs > 0
  const isQueued = ActiveState === 'inactive' && Number(unit.Job) > 0 // between the two halves of a restart
  const activity = isQueued ? 'starting' : (ACTIVITIES[ActiveState] ?? 'stopped')
  const run = {
    pid: pid || null,
    // A unit that remains active after its process is still the same run.
    identity: hasRun
      ? `${pid || unit.ExecMainPID}@${unit.ExecMainStartTimestampMonotonic}`
      : `active@${unit.ActiveEnterTimestampMonotonic}`,
    uptimeMs: Math.max(0, nowMs - (hasRun ? startedMs : Number(unit.ActiveEnterTimestampMonotonic) / 1000)),
  }
  return {
    known: unit.LoadState === 'not-found' ? 'no' : unit.LoadState === 'masked' ? 'masked' : 'yes',
    activity,
    isStoppedOnPurpose: activity === 'stopped' && pid === 0 && hasRun && wouldRestart(),
    main: pid > 0 || activity === 'running' ? run : null,
    lastExit: pid > 0 || !hasRun ? null : exit,
    shortestRunMs: shortestRun(unit.StartLimitBurst, unit.StartLimitIntervalUSec),
  }
}

const ACTIVITIES: Readonly<Record<string, ServiceState['activity']>> = {
  active: 'running',
  reloading: 'running',
  activating: 'starting',
  deactivating: 'starting', // then comes the next main process, or `inactive`
  failed: 'failed',
}

/** Runs of this length never reach the start limit of `burst` starts in one `interval` (systemd.unit(5)). */
function shortestRun(burst: string, interval: string): number {
  const starts = Number(burst)
  return starts > 0 ? Math.min(60_000, (parseTimespan(interval) / starts) * 1.1) : 0
}
