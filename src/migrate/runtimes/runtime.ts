import type { World } from '../../system/world.ts'
import type { Migration } from '../discover.ts'
import type { FunctionName } from './protocol.ts'

/** A migration that prints more fails. */
export const MOST_OUTPUT = 16 * 1024 * 1024
export const PRINTED_TOO_MUCH = 'it printed more than 16 MiB'

/** A call that takes longer fails, unless the migration sets its own limit. */
export const CALL_TIMEOUT_MS = 10 * 60_000

/** What a migration runs in. */
export interface Surroundings {
  readonly world: World
  readonly checkout: string
  /** The folder of the files, from which Python imports: the checkout, or a copy of it. */
  readonly code: string
  readonly env: NodeJS.ProcessEnv
  /** The Python interpreter. */
  readonly python: string
}

/** Logs a line of a command's output. */
export function logLine(world: World): (line: string) => void {
  return (line) => world.log.info(`  | ${line}`)
}

/** Calls a function of a migration. Throws `halted` where it returns no boolean. */
export type Call = (name: FunctionName) => Promise<boolean>

/** Prepares one migration, which runs in another process. */
export type Runtime = (
  migration: Migration,
  surroundings: Surroundings,
) => {
  readonly call: Call
  /** Ends its processes. Throws `halted` where it left any running. */
  close(): Promise<void>
}
