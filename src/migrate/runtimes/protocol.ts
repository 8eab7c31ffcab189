/**
 * What telec and a process that runs migrations say to each other, one JSON object a line: requests come in at
 * file descriptor 3, answers leave by 4, so that the migrations' own output stays apart.
 */

export const REQUESTS_FD = 3
export const ANSWERS_FD = 4

export type FunctionName = 'check' | 'migrate'

/**
 * What came of a migration as a whole. `refused`: `migrate()` returned false. `pending`: `check()` is still false
 * after it.
 */
export type Applied = 'run' | 'satisfied' | 'refused' | 'pending'

/**
 * Call a function of a migration; or apply it: `check()`, and where that is false `migrate()` and `check()` again.
 * Together, since a message to and fro for each would take longer than most migrations do.
 */
export interface Request {
  readonly file: string
  readonly name: FunctionName | 'apply'
}

export type Answer =
  /** Sent ahead of the answer by a migration that sets its own time limit, in seconds. */
  | { readonly timeout: number }
  | {
      readonly value: boolean | Applied
      /** What is still at work although the function is over, by the language's own names. */
      readonly left?: readonly string[]
      /** It may have started processes: look whether one is left. */
      readonly spawns?: boolean
    }
  /** `at`: the function in which it went wrong. */
  | { readonly error: string; readonly at: FunctionName | null }
