/**
 * What telec and the process that runs a migration say to each other, line by line: the name of a function to call comes
 * in at file descriptor 3, an answer in JSON leaves by 4, so that the migration's own output stays apart.
 */

export const REQUESTS_FD = 3
export const ANSWERS_FD = 4
/** Holds the text of typescript-loader.ts for who reads it: to read it always would take a third of what Node.js does. */
export const LOADER_FD = 5

export type FunctionName = 'check' | 'migrate'

export type Answer =
  /** `left`: what is still at work although the function is over, by the language's own names. */
  | { readonly value: boolean; readonly left: readonly string[] }
  /** `at`: the function in which it went wrong; null: in none. */
  | { readonly error: string; readonly at: FunctionName | null }

/** Sent ahead of an answer by a migration that sets its own time limit, in seconds. */
export interface TimeLimit {
  readonly timeout: number
}
