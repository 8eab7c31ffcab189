import type { World } from '../../system/world.ts'
import type { Migration } from '../discover.ts'
import type { FunctionName } from './protocol.ts'

/** A migration that prints more fails. */
export const MOST_OUTPUT = 16 * 1024 * 1024
export const PRINTED_TOO_MUCH = 'it printed more than 16 MiB'

/** A call that takes longer fails, unless the migration sets its own limit. */
export const CALL_TIMEOUT_MS = 10 * 60_000

export interface RuntimeOptions {
  readonly world: World
  /** The checkout. */
  readonly cwd: string
  /** Python imports modules from here, too. */
  readonly code: string
  readonly env: NodeJS.ProcessEnv
  /** The Python interpreter. */
  readonly python: string
  /** Called for each line of the migration's output, within bounds. */
  onLine(line: string): void
}

/** Calls a function of a migration. Throws `halted` where it returns no boolean. */
export type Call = (name: FunctionName) => Promise<boolean>

/** Prepares one migration, which runs in another process. */
export type Runtime = (
  migration: Migration,
  options: RuntimeOptions,
) => {
  readonly call: Call
  /** Ends its processes. Throws `halted` where it left any running. */
  close(): Promise<void>
}
