import type { Channel } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { windowOpensAt } from '../config/weekly-hours.ts'
import { findService } from '../service/find.ts'
import type { ServiceState } from '../service/manager.ts'
import { parseTimespan, showUnit } from '../service/systemd/systemctl.ts'
import { type Pause, readPause } from '../state/pause.ts'
import { readSignal, type Signal } from '../state/signal.ts'
import { readStatus } from '../state/status.ts'
import { type Halt, readUpdateState, type Update, type UpdateState } from '../state/update-state.ts'
import { readLastLook, type WatchState } from '../state/watch-state.ts'
import { TelecError } from '../system/errors.ts'
import { COMMIT, VERSION } from '../system/version.ts'
import { type AfterHalt, afterHalt } from './after-halt.ts'

/** Everything that `telec status` says, as data: `--json` prints it as it is. Times are ISO 8601. */
export interface Overview {
  readonly computer: string
  /** The telec that is asked. */
  readonly telec: { readonly version: string; readonly commit: string }
  readonly channel: Channel
  readonly follows: string
  readonly deployed: UpdateState['deployed'] | null
  readonly watch: WatchState | null
  readonly next_poll_at: string | null
  readonly signal: Signal | null
  readonly update: Update | null
  /** What it is at, as the status says. */
  readonly step: string | null
  readonly last: Update | null
  readonly rolled_back: UpdateState['rolled_back']
  readonly halted: (Halt & { readonly left: AfterHalt }) | null
  readonly held: UpdateState['held']
  readonly pause: Pause | null
  readonly window: WindowOverview | null
  readonly service: ServiceOverview | null
}

export interface WindowOverview {
  /** As configured. */
  readonly hours: readonly string[]
  /** ISO 8601; null while it is open. */
  readonly opens_at: string | null
}

export interface ServiceOverview {
  readonly name: string
  readonly manager: string
  readonly activity: ServiceState['activity'] | 'unknown'
  readonly pid: number | null
}

/** Reads what this computer knows of itself. Does not ask the remote. */
export async function collectOverview(service: Service): Promise<Overview> {
  const { world, config, paths } = service
  const state = readUpdateState(paths)
  const watch = readLastLook(paths, world.now())
  const { channel, branch, pinned_minor } = config.deployment
  return {
    computer: config.computer,
    telec: { version: VERSION, commit: COMMIT },
    channel,
    follows: {
      alpha: `the head of ${branch}`,
      beta: 'the newest release',
      stable: `patches of ${pinned_minor}`,
    }[channel],
    deployed: state?.deployed ?? null,
    watch,
    next_poll_at: later(watch?.next_poll_at ?? null, await nextPoll(service, watch)),
    signal: readSignal(paths),
    update: state?.update ?? null,
    step: state?.update ? (readStatus(paths)?.step ?? null) : null,
    last: state?.last ?? null,
    rolled_back: state?.rolled_back ?? null,
    halted: state?.halted ? { ...state.halted, left: await afterHalt(service, state) } : null,
    held: state?.held ?? null,
    pause: readPause(paths, world.now()),
    window: windowOverview(service),
    service: await serviceOverview(service),
  }
}

function windowOverview({ world, config }: Service): WindowOverview | null {
  const { window: hours } = config.deployment
  if (hours.length === 0) return null
  return { hours, opens_at: windowOpensAt(config, world.now())?.toISOString() ?? null }
}

async function serviceOverview(service: Service): Promise<ServiceOverview | null> {
  const manager = findService(service)?.manager
  if (!manager) return null
  const { name, service: unit } = manager
  try {
    const { activity, main } = await manager.inspect()
    return { name: unit, manager: name, activity, pid: main?.pid ?? null }
  } catch (error) {
    if (!(error instanceof TelecError)) throw error
    return { name: unit, manager: name, activity: 'unknown', pid: null }
  }
}

/** The timer's polls do nothing before a pause is over. */
function later(pause: string | null, poll: string | null): string | null {
  return pause !== null && poll !== null && pause > poll ? pause : poll
}

/** When telec-watch will look again; null where nothing is set up to start it. */
async function nextPoll(service: Service, watch: WatchState | null): Promise<string | null> {
  const { world, config, paths } = service
  if (findService(service)?.manager.name === 'telec run' || world.platform === 'darwin') {
    const last = watch?.polled_at ? Date.parse(watch.polled_at) : world.now()
    return new Date(last + config.deployment.poll_every).toISOString()
  }
  const scope = config.service?.scope ?? paths.scope
  const timer = await showUnit(world, scope, 'telec-watch.timer', [
    'ActiveState',
    'NextElapseUSecMonotonic',
  ]).catch(
    () => null, // no systemd here
  )
  if (timer?.ActiveState !== 'active') return null
  const inMs = parseTimespan(timer.NextElapseUSecMonotonic) - world.monotonic()
  return new Date(world.now() + Math.max(0, inMs)).toISOString()
}
