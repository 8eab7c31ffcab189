import { TelecError } from '../system/errors.ts'
import type { Migration } from './discover.ts'
import type { FunctionName } from './runtimes/protocol.ts'

/** In characters; the log has the whole message. */
const LONGEST_MESSAGE = 8_000

export function migrationFailure(
  { id, path }: Migration,
  what: string,
  because: string,
  kind: 'halted' | 'later' = 'halted',
): TelecError {
  return new TelecError(kind, `migration ${id} ${what}`, {
    because,
    migration: id,
    hint: `fix ${path} in a new commit, or here, and then: telec-migrate --worktree; telec-update --retry`,
  })
}

/** @param at the function that failed; null: unknown. @param output the end of its output. */
export function callFailure(
  migration: Migration,
  at: FunctionName | null,
  error: string,
  output: string,
): TelecError {
  const because = [output, error].filter(Boolean).join('\n').slice(-LONGEST_MESSAGE)
  return migrationFailure(migration, at === null ? 'failed' : `failed in ${at}()`, because)
}
