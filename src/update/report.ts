import type { Service } from '../config/service.ts'
import { redisSink } from '../fleet/heartbeat.ts'
import { subjectsBetween } from '../git/checkout.ts'
import { type StatusRecord, type StatusSink, statusOfDeployed, writeStatus } from '../state/status.ts'
import { type Halt, runningTarget, type Update, type UpdateState } from '../state/update-state.ts'
import { orNull } from '../system/errors.ts'
import type { WriteOptions } from '../system/files.ts'
import { orWarn } from '../system/limit.ts'
import { isoTime } from '../system/world.ts'
import { metricsSink } from '../view/metrics.ts'
import type { UpdateContext } from './context.ts'
import { hookSink } from './on-status.ts'

export function openSinks(service: Service): StatusSink[] {
  const { config } = service
  return [
    ...(config.redis ? [redisSink(service, config.redis)] : []),
    ...(config.on_status ? [hookSink(service, config.on_status)] : []),
    ...(config.metrics ? [metricsSink(service)] : []),
  ]
}

/**
 * Reports an update to the sinks and in the status file; a status that cannot be written never fails it.
 *
 * @param write null: the file has this status already.
 */
export async function reportStatus(
  { world, config, paths, repository, sinks }: UpdateContext,
  { deployed }: UpdateState,
  update: Update,
  { status, step }: Pick<StatusRecord, 'status' | 'step'>,
  write: WriteOptions | null,
  halt: Halt | null = null,
): Promise<void> {
  const { from, target, channel, started_at } = update
  const { version, commit } = status === 'updated' ? target : runningTarget({ deployed, update })
  const isEnd = status === 'updated' || halt !== null
  const record = {
    ...statusOfDeployed(config, { ...target, at: isoTime(world) }),
    status,
    runs: { version, commit },
    channel,
    from: from.version,
    step,
    commits:
      isEnd && sinks.length > 0
        ? await orNull(() => subjectsBetween(repository, from.commit, target.commit))
        : null,
    error: halt?.error ?? null,
    migration: halt?.migration ?? null,
    duration_ms: Math.max(0, world.now() - Date.parse(started_at)),
  }
  for (const sink of sinks) sink.publish(record)
  if (write) await orWarn(world, 'cannot write the status', () => writeStatus(paths, record, write))
}
