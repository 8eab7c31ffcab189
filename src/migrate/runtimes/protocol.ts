import type { Entry } from '../../state/migrations.ts'

/**
 * What telec and a process that runs migrations say to each other, one JSON object a line: requests come in at
 * file descriptor 3, answers leave by 4, so that the migrations' own output stays apart.
 */

export const REQUESTS_FD = 3
export const ANSWERS_FD = 4
/** The journal of what was applied, where there is one. */
export const JOURNAL_FD = 5

export type FunctionName = 'check' | 'migrate'

/**
 * What came of a migration as a whole. `refused`: `migrate()` returned false. `pending`: `check()` is still false
 * after it.
 */
export type Applied = 'run' | 'satisfied' | 'refused' | 'pending'

/** A migration to apply, and what its record says beside what comes of it. */
export interface Job extends Pick<Entry, 'id' | 'telec' | 'sha256'> {
  readonly file: string
}

/**
 * Call a function of a migration; or apply several in turn: `check()`, and where that is false `migrate()` and
 * `check()` again. Together, since messages to and fro would take longer than most migrations do.
 */
export type Request =
  | { readonly name: FunctionName; readonly file: string }
  | {
      readonly name: 'apply'
      readonly jobs: readonly Job[]
      /** Whether the host has a journal to record in what it applied. */
      readonly records: boolean
    }

/** A host answers for one job after the other, and leaves the others be after the first that it did not record. */
export type Answer =
  /** Sent ahead of the answer by a migration that sets its own time limit, in seconds. */
  | { readonly timeout: number }
  | {
      readonly value: boolean | Applied
      /** What was recorded: durable already. A host may record itself only what left nothing to be looked at. */
      readonly entry?: Entry
      /** What is still at work although the function is over, by the language's own names. */
      readonly left?: readonly string[]
      /** It may have started processes: look whether one is left. */
      readonly spawns?: boolean
    }
  /** It was applied, and could not be recorded: an error of fs. */
  | { readonly unrecorded: { readonly code: string | undefined; readonly message: string } }
  /** `at`: the function in which it went wrong. */
  | { readonly error: string; readonly at: FunctionName | null }
