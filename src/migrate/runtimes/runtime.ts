import type { Entry, Recorder } from '../../state/migrations.ts'
import type { Account } from '../../system/account.ts'
import type { Applied, FunctionName, Job } from './protocol.ts'

/** A call that prints more has failed. */
export const MOST_OUTPUT = 16 * 1024 * 1024
export const PRINTED_TOO_MUCH = 'it printed more than 16 MiB'

export interface RuntimeOptions {
  /** The checkout. */
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  /** In whose name it runs; null: whoever telec runs as. */
  readonly owner: Account | null
  /** How long one call may take, unless the migration says otherwise. */
  readonly timeoutMs: number
  /** For a runtime that can record itself what it applied; null where nothing is recorded. */
  readonly recorder: Pick<Recorder, 'journal' | 'failure'> | null
  /** Called for each line that a migration prints, up to a bound. */
  onLine(line: string): void
}

/** `error` says what happened, `at` in which function, if that is known; `output` is the end of what it printed. */
export interface Failure {
  readonly at: FunctionName | null
  readonly error: string
  readonly output: string
}

/** Runs the migrations of one language, in processes that are not telec's. Never throws for what a migration does. */
export interface Runtime {
  /** Calls a function of a migration. */
  call(file: string, name: FunctionName): Promise<boolean | Failure>
  /**
   * Applies migrations in turn: `check()`, and where that is false `migrate()` and `check()` again. Tells of each, with
   * the entry of its record where it is recorded already; goes no further than the first that is not, or that fails.
   */
  apply(
    jobs: readonly Job[],
    onApplied: (applied: Applied, entry: Entry | null) => void,
  ): Promise<Failure | null>
  close(): Promise<void>
}
