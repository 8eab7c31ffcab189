import type { Scope } from '../../config/paths.ts'
import type { World } from '../../system/world.ts'
import type { ServiceManager, ServiceState } from '../manager.ts'
import { parseTimespan, showUnit, systemctl, trySystemctl, unitName } from './systemctl.ts'

const PROPERTIES = [
  'LoadState',
  'ActiveState',
  'MainPID',
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

export function systemdManager(world: World, name: string, scope: Scope): ServiceManager {
  const service = unitName(name)
  return {
    name: 'systemd',
    service,
    async inspect() {
      return stateOf(await showUnit(world, scope, service, PROPERTIES), world.monotonic())
    },
    async askToLeave() {
      // --kill-who=main: the others of its control group are its own business (systemd 252 renamed it, both work).
      await systemctl(world, scope, ['kill', '--kill-who=main', '--signal=SIGTERM', service])
    },
    async start() {
      await trySystemctl(world, scope, ['reset-failed', service]) // else a start limit that was hit refuses it
      await systemctl(world, scope, ['start', service])
    },
    async restart() {
      await trySystemctl(world, scope, ['reset-failed', service])
      await systemctl(world, scope, ['restart', service])
    },
  }
}

/** @param nowMs CLOCK_MONOTONIC; the unit's timestamps are microseconds of the same clock. */
export function stateOf(unit: Record<(typeof PROPERTIES)[number], string>, nowMs: number): ServiceState {
  const pid = Number(unit.MainPID)
  const startedMs = Number(unit.ExecMainStartTimestampMonotonic) / 1000
  return {
    known: unit.LoadState === 'not-found' ? 'no' : unit.LoadState === 'masked' ? 'masked' : 'yes',
    activity: activity(unit.ActiveState),
    isStoppedOnPurpose: unit.ActiveState === 'inactive' && pid === 0 && startedMs > 0 && wouldReturn(unit),
    main:
      pid > 0
        ? {
            pid,
            identity: `${pid}@${unit.ExecMainStartTimestampMonotonic}`,
            uptimeMs: Math.max(0, nowMs - startedMs),
          }
        : null,
    lastExit: pid > 0 || startedMs === 0 ? null : exit(unit.ExecMainCode, unit.ExecMainStatus),
    shortestRunMs: shortestRun(unit.StartLimitBurst, unit.StartLimitIntervalUSec),
  }
}

/** Whether systemd starts it again after the way in which it ended, unless somebody tells it not to. */
function wouldReturn(unit: Record<(typeof PROPERTIES)[number], string>): boolean {
  if (unit.Restart === 'always') return true
  return (
    unit.ExecMainCode === CLD_EXITED && unit.RestartForceExitStatus.split(' ').includes(unit.ExecMainStatus)
  )
}

function activity(activeState: string): ServiceState['activity'] {
  if (activeState === 'active' || activeState === 'reloading') return 'running'
  // `deactivating` without a main process is on its way to the next one, or to `inactive`.
  if (activeState === 'activating' || activeState === 'deactivating') return 'starting'
  return activeState === 'failed' ? 'failed' : 'stopped' // inactive
}

function exit(code: string, status: string): string {
  return code === CLD_EXITED ? `exit code ${status}` : `signal ${status}`
}

/** With runs of at least this length, `burst` starts never fall into one `interval` (systemd.unit(5)). */
function shortestRun(burst: string, interval: string): number {
  const starts = Number(burst)
  const intervalMs = parseTimespan(interval)
  return starts > 0 && Number.isFinite(intervalMs) ? Math.min(60_000, (intervalMs / starts) * 1.1) : 0
}
