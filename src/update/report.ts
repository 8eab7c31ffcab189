import { nameOf } from '../channel/target.ts'
import { subjectsBetween } from '../git/checkout.ts'
import { type Status, statusOfDeployed, writeStatus } from '../state/status.ts'
import { type Halt, runningTarget, type Update, type UpdateState } from '../state/update-state.ts'
import { orNull } from '../system/errors.ts'
import type { WriteOptions } from '../system/files.ts'
import { orWarn } from '../system/limit.ts'
import { localTime } from '../system/local-time.ts'
import { isoTime } from '../system/world.ts'
import type { UpdateContext } from './context.ts'
import type { Step } from './step.ts'

/** Tells the log, the status file and the sinks how an update goes. A status that cannot be written never fails it. */
export function createReport(
  { world, config, paths, repository, sinks }: UpdateContext,
  { deployed }: UpdateState,
  update: Update,
) {
  const { from, target } = update
  const durationMs = () => Math.max(0, world.now() - Date.parse(update.started_at))
  const publish = async (status: Status, step: string, write: WriteOptions | null, halt?: Halt) => {
    const runs = status === 'updated' ? target : runningTarget({ deployed, update })
    const isTold = sinks.length > 0 && (status === 'updated' || halt)
    const record = {
      ...statusOfDeployed(config, { ...target, at: isoTime(world) }),
      status,
      runs: { version: runs.version, commit: runs.commit },
      channel: update.channel,
      from: from.version,
      step,
      commits: isTold ? await orNull(() => subjectsBetween(repository, from.commit, target.commit)) : null,
      error: halt?.error ?? null,
      migration: halt?.migration ?? null,
      duration_ms: durationMs(),
    }
    for (const sink of sinks) sink.publish(record)
    if (write) await orWarn(world, 'the status was not written', () => writeStatus(paths, record, write))
  }
  return {
    /** @param isNews whether the status is another one than before. */
    begin(step: Step, isNews: boolean): Promise<void> {
      world.log.debug(`${step.name}: begins`)
      world.log.progress(`${step.doing} ${nameOf(target)}`)
      return publish(step.status, step.name, isNews ? { folder: 'synced later' } : null)
    },
    end(step: Step, note: string, ms: number): void {
      world.log.progress(null)
      world.log.info(`${step.name}: ${note} (${(ms / 1000).toFixed(2)} s)`)
    },
    halted(halt: Halt): Promise<void> {
      world.log.progress(null)
      if (halt.next_try_at !== null)
        world.log.warning(`${halt.step}: tried again at ${localTime(halt.next_try_at)}`)
      return publish('update_failed', halt.step, {}, halt)
    },
    updated(): Promise<void> {
      const version = target.version ?? target.commit.slice(0, 12)
      const how = update.rollback ? 'rolled back' : 'updated'
      world.log.notice(`${how}: ${version} is deployed (${(durationMs() / 1000).toFixed(1)} s)`)
      world.log.outcome(`${how} from ${nameOf(from)} to ${nameOf(target)}`)
      return publish('updated', 'done', { folder: 'synced later' }) // with the record of the whole
    },
  }
}
