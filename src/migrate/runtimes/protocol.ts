/**
 * telec and the process that runs a migration exchange lines: the name of a function to call at file descriptor 3, an
 * answer in JSON at 4. The migration's own output stays separate.
 */

export const REQUESTS_FD = 3
export const ANSWERS_FD = 4
/** Has the text of typescript-loader.ts. Few migrations need it, and reading it costs a third of Node.js' own start. */
export const LOADER_FD = 5

export type FunctionName = 'check' | 'migrate'

export type Answer =
  /** `unfinished`: work after the function has returned, by the language's own names. */
  | { readonly value: boolean; readonly unfinished: readonly string[] }
  /** `at`: the function that failed; null: none. */
  | { readonly error: string; readonly at: FunctionName | null }

/** Sent before the answer, where the migration sets its own time limit, in seconds. */
export interface TimeLimit {
  readonly timeout: number
}
