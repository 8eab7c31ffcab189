import type { Applied, FunctionName } from './protocol.ts'

export interface RuntimeOptions {
  /** The checkout. */
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  /** How long one call may take, unless the migration says otherwise. */
  readonly timeoutMs: number
  /** Called for each line that a migration prints, up to a bound. */
  onLine(line: string): void
}

export type CallResult<Value> =
  | { readonly ok: true; readonly value: Value }
  /** `error` says what happened, `at` in which function, if that is known; `output` is the end of what it printed. */
  | { readonly ok: false; readonly at: FunctionName | null; readonly error: string; readonly output: string }

/** Runs the migrations of one language, in processes that are not telec's. */
export interface Runtime {
  /** Calls a function of a migration. Never throws for what the migration does. */
  call(file: string, name: FunctionName): Promise<CallResult<boolean>>
  /** `check()`, and where that is false `migrate()` and `check()` again. */
  apply(file: string): Promise<CallResult<Applied>>
  close(): Promise<void>
}
