import type { Supervised } from '../service/find.ts'
import type { Status } from '../state/status.ts'
import type { Update } from '../state/update-state.ts'
import type { WriteOptions } from '../system/files.ts'
import type { UpdateContext } from './context.ts'

/** What a step has to work with. */
export interface StepContext extends UpdateContext {
  /** What is restarted; null where that is nobody's business here. */
  readonly supervised: Supervised | null
  /** The journal as it stands. */
  readonly update: Update
  /** This step was begun before and did not end: it was killed, or it failed. */
  readonly interrupted: boolean
  /** Adds to the journal in memory; the next write takes it along. */
  remember(change: Partial<Pick<Update, 'target' | 'running' | 'restarts' | 'local' | 'changed'>>): void
  /** Says and records what was somebody's and in the way, and how to have it back: before it is gone. */
  putAside(what: string): Promise<void>
  /** Writes the journal, before what a kill could leave half-done. */
  writeDown(options?: WriteOptions): Promise<void>
}

/**
 * How an update that was interrupted takes a step up. `looks`: it always looks at what there is, and does what is missing.
 * `unless ended`: not if the journal has its end, for what it did stays done.
 */
export type Resume = 'looks' | 'unless ended'

/** One step of the update. It is idempotent: begun again after a kill at any point, it ends in the same state. */
export interface Step {
  readonly name: string
  /** The same for people, while it runs. */
  readonly doing: string
  /** What other tools are told while it runs. */
  readonly status: Status
  readonly resume: Resume
  /** @returns what came of it, for people. Throws a TelecError to halt. */
  run(context: StepContext): Promise<string>
}
