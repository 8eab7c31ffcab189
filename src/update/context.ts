import type { Service } from '../config/service.ts'
import type { Repository } from '../git/repository.ts'
import type { Supervised } from '../service/find.ts'
import type { Status, StatusSink } from '../state/status.ts'
import type { Update } from '../state/update-state.ts'
import type { WriteOptions } from '../system/files.ts'

/** What an update works on; made once per run. */
export interface UpdateContext extends Service {
  readonly repository: Repository
  /** telec's own code when this program started. */
  readonly programsAtStart: { readonly own: Buffer; readonly frontDoor: Buffer }
  readonly sinks: readonly StatusSink[]
}

export interface StepContext extends UpdateContext {
  /** The units to restart; null where telec restarts none. */
  readonly supervised: Supervised | null
  /** The journal, as in memory. */
  readonly update: Update
  /** The step began before and did not end. */
  readonly interrupted: boolean
  /** Changes the journal in memory; the next write saves it. */
  remember(change: Partial<Pick<Update, 'target' | 'running' | 'restarts' | 'local' | 'changed'>>): void
  /** Logs and records a stash, and how to restore it. */
  recordStash(what: string): Promise<void>
  /** Writes the journal, before a change that a kill could leave half-done. */
  writeDown(options?: WriteOptions): Promise<void>
}

/**
 * How an interrupted update resumes a step. `looks`: it runs again, and does the rest. `unless ended`: it is skipped
 * once the journal has its end.
 */
export type Resume = 'looks' | 'unless ended'

/** One step of the update. It is idempotent: killed at any point and run again, it ends in the same state. */
export interface Step {
  readonly name: string
  /** For progress: a phrase that the target follows. */
  readonly doing: string
  /** What other programs read while it runs. */
  readonly status: Status
  readonly resume: Resume
  /** @returns a note for users. Throws a TelecError to halt. */
  run(context: StepContext): Promise<string>
}
