import type { Service } from '../config/service.ts'
import { sendHeartbeat } from '../fleet/heartbeat.ts'
import { readChoices } from '../state/choices.ts'
import { readSignal, type Signal } from '../state/signal.ts'
import { readStatus, type StatusRecord, statusOfDeployed } from '../state/status.ts'
import { readUpdateState } from '../state/update-state.ts'
import { problemOf, readWatchState } from '../state/watch-state.ts'
import { orWarn } from '../system/limit.ts'
import { writeMetrics } from '../view/metrics.ts'

/** Writes metrics, and tells Redis about this computer and about a signal that differs from `before`. */
export function tellOthers(service: Service, before: Signal | null): Promise<void> {
  const { world, config, paths } = service
  return orWarn(world, 'the poll was not reported', async () => {
    await writeMetrics(service)
    if (!config.redis) return
    const now = readSignal(paths)
    const isNew = now !== null && now.target.commit !== before?.target.commit
    await sendHeartbeat(service, statusForOthers(service), isNew ? announcementOf(service, now) : null)
  })
}

/** The last status, under the present name of this computer, which may have changed since. */
export function statusForOthers({ config, paths }: Service): StatusRecord | null {
  const { computer } = config
  const deployed = readUpdateState(paths)?.deployed
  // A computer without an update so far reports its deployed version, too.
  const known = readStatus(paths) ?? (deployed ? statusOfDeployed(config, deployed) : null)
  const pinned = readChoices(paths).pin !== null
  return known && { ...known, computer, problem: problemOf(readWatchState(paths)), pinned }
}

function announcementOf({ world, config }: Service, { channel, from, target }: Signal) {
  return {
    channel,
    version: target.version,
    from_version: from.version,
    daemon_id: config.computer,
    timestamp: Math.floor(world.now() / 1000),
  }
}
