import type { Service } from '../config/service.ts'
import { sendHeartbeat } from '../fleet/heartbeat.ts'
import { readChoices } from '../state/choices.ts'
import { readSignal, type Signal } from '../state/signal.ts'
import { readStatus, statusOfDeployed } from '../state/status.ts'
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
    const deployed = readUpdateState(paths)?.deployed
    // Of a computer that was set up and never updated what it runs is worth knowing, too.
    const known = readStatus(paths) ?? (deployed ? statusOfDeployed(config, deployed) : null)
    const pinned = readChoices(paths).pin !== null
    const status = known && { ...known, problem: problemOf(readWatchState(paths)), pinned }
    const now = readSignal(paths)
    const isNews = now !== null && now.target.commit !== before?.target.commit
    await sendHeartbeat(service, status, isNews ? announcementOf(service, now) : null)
  })
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
