import type { Service } from '../config/service.ts'
import { sendHeartbeat } from '../fleet/heartbeat.ts'
import { readChoices } from '../state/choices.ts'
import { readSignal, type Signal } from '../state/signal.ts'
import { readStatus, type StatusRecord, statusOfDeployed } from '../state/status.ts'
import { readUpdateState } from '../state/update-state.ts'
import { problemOf, readWatchState } from '../state/watch-state.ts'
import { orWarn } from '../system/limit.ts'
import { writeMetrics } from '../view/metrics.ts'

/** Tells others, after a poll, about this computer, and what is new since the signal `before`. A fault is a warning. */
export function tellOthers(service: Service, before: Signal | null): Promise<void> {
  const { world, config, paths } = service
  return orWarn(world, 'not passed on', async () => {
    await writeMetrics(service)
    if (!config.redis) return
    const now = readSignal(paths)
    const isNews = now !== null && now.target.commit !== before?.target.commit
    await sendHeartbeat(service, statusForOthers(service), isNews ? announcementOf(service, now) : null)
  })
}

/** The last status, under the name that this computer has now, which may be another one than at that update. */
export function statusForOthers({ config, paths }: Service): StatusRecord | null {
  const { computer } = config
  const deployed = readUpdateState(paths)?.deployed
  // Of a computer that was set up and never updated what it runs is worth knowing, too.
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
