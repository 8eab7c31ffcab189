import type { World } from '../../system/world.ts'
import type { Migration } from '../discover.ts'
import type { FunctionName } from './protocol.ts'

/** A migration that prints more has failed. */
export const MOST_OUTPUT = 16 * 1024 * 1024
export const PRINTED_TOO_MUCH = 'it printed more than 16 MiB'

/** A call that takes longer has hung, unless the migration says otherwise. */
export const CALL_TIMEOUT_MS = 10 * 60_000

export interface RuntimeOptions {
  readonly world: World
  /** The checkout. */
  readonly cwd: string
  /** Where modules in Python are found, beside their neighbours. */
  readonly code: string
  readonly env: NodeJS.ProcessEnv
  /** The program that runs Python. */
  readonly python: string
  /** Called for each line that the migration prints, up to a bound. */
  onLine(line: string): void
}

/** Calls a function of a migration. Throws `halted`, naming the migration, where that does not give true or false. */
export type Call = (name: FunctionName) => Promise<boolean>

/** Takes up one migration, to be run in processes that are not telec's. */
export type Runtime = (
  migration: Migration,
  options: RuntimeOptions,
) => {
  readonly call: Call
  /** Ends what is left of it. Throws `halted` where that is more than it may be. */
  close(): Promise<void>
}
