import { nameOf } from '../channel/target.ts'
import { type Status, type StatusRecord, writeStatus } from '../state/status.ts'
import type { Halt, Update } from '../state/update-state.ts'
import { COMMIT, VERSION } from '../system/version.ts'
import type { UpdateContext } from './context.ts'
import type { Step } from './step.ts'

/** Tells the log and the status file how an update goes. A status that cannot be written never fails an update. */
export interface Report {
  /** @param isNews whether the status is another one than before. */
  begin(step: Step, isNews: boolean): Promise<void>
  end(step: Step, note: string, ms: number): void
  halted(halt: Halt): Promise<void>
  updated(): Promise<void>
}

export function createReport({ world, config, paths, sinks }: UpdateContext, update: Update): Report {
  const { from, target } = update
  const durationMs = () => Math.max(0, world.now() - Date.parse(update.started_at))
  const recordOf = (status: Status, step: string, halt?: Halt): StatusRecord => ({
    computer: config.computer,
    status,
    timestamp: Math.floor(world.now() / 1000),
    channel: update.channel,
    from: from.version,
    version: target.version,
    commit: target.commit,
    step,
    error: halt?.error ?? null,
    migration: halt?.migration ?? null,
    duration_ms: durationMs(),
    telec: VERSION,
    telec_commit: COMMIT,
  })
  const publish = (record: StatusRecord) => {
    for (const sink of sinks) sink.publish(record)
    return record
  }
  const write = async (record: StatusRecord, folder: 'synced' | 'synced later') => {
    try {
      await writeStatus(paths, record, { folder })
    } catch (error) {
      world.log.warning(`the status was not written: ${error instanceof Error ? error.message : error}`)
    }
  }
  return {
    async begin(step, isNews) {
      world.log.debug(`${step.name}: begins`)
      world.log.progress(`${step.doing} ${nameOf(target)}`)
      const record = publish(recordOf(step.status, step.name))
      if (isNews) await write(record, 'synced later')
    },
    end(step, note, ms) {
      world.log.progress(null)
      world.log.info(`${step.name}: ${note} (${(ms / 1000).toFixed(2)} s)`)
    },
    async halted(halt) {
      world.log.progress(null)
      if (halt.next_try_at !== null) world.log.warning(`${halt.step}: tried again at ${halt.next_try_at}`)
      await write(publish(recordOf('update_failed', halt.step, halt)), 'synced')
    },
    async updated() {
      const version = target.version ?? target.commit.slice(0, 12)
      const how = update.rollback ? 'rolled back' : 'updated'
      world.log.notice(`${how}: ${version} is deployed (${(durationMs() / 1000).toFixed(1)} s)`)
      world.log.outcome(`${how} from ${nameOf(from)} to ${nameOf(target)}`)
      await write(publish(recordOf('updated', 'done')), 'synced later') // with the record of the whole
    },
  }
}
