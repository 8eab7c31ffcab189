import { commandAs } from '../../system/account.ts'
import { TelecError } from '../../system/errors.ts'
import { namesOf } from '../../system/groups.ts'
import { type RunResult, run } from '../../system/process.ts'
import type { Applied, FunctionName } from './protocol.ts'
import { type Failure, MOST_OUTPUT, PRINTED_TOO_MUCH, type Runtime, type RuntimeOptions } from './runtime.ts'

/** Any executable file: `FILE check` leaves with 0 (applied) or 1 (not yet), `FILE migrate` with 0 (done). */
export function executableRuntime(options: RuntimeOptions): Runtime {
  return {
    call: (file, name) => callExecutable(file, name, options),
    async apply([job], onApplied) {
      const applied = job ? await applyExecutable(job.file, options) : null
      if (typeof applied !== 'string') return applied
      onApplied(applied, null)
      return null
    },
    close: async () => undefined, // each call is a process of its own
  }
}

async function applyExecutable(file: string, options: RuntimeOptions): Promise<Applied | Failure> {
  const checked = await callExecutable(file, 'check', options)
  if (checked !== false) return checked === true ? 'satisfied' : checked
  const migrated = await callExecutable(file, 'migrate', options)
  if (migrated !== true) return migrated === false ? 'refused' : migrated
  const again = await callExecutable(file, 'check', options)
  return typeof again === 'boolean' ? (again ? 'run' : 'pending') : again
}

async function callExecutable(
  file: string,
  name: FunctionName,
  { owner, cwd, env, timeoutMs, onLine }: RuntimeOptions,
): Promise<boolean | Failure> {
  const [command = '', ...args] = commandAs(owner, [file, name])
  try {
    const bounds = { timeoutMs, maxOutput: MOST_OUTPUT, leftovers: 'end' } as const
    const result = await run(command, args, { cwd, env, onLine, ...bounds })
    const error = faultIn(result, name, timeoutMs)
    return error === null ? result.code === 0 : { at: name, error, output: result.stdout }
  } catch (error) {
    if (!(error instanceof TelecError)) throw error
    return { at: name, error: `cannot be started: ${error.because}`, output: '' }
  }
}

/** What is wrong with how a call ended; null where it answered. */
function faultIn(
  { code, signal, endedBy, left }: RunResult,
  name: FunctionName,
  timeoutMs: number,
): string | null {
  if (endedBy === 'output') return PRINTED_TOO_MUCH
  if (endedBy === 'timeout') return `it was still running after ${timeoutMs / 1000} s`
  if (left.length > 0) return `it left processes running: ${namesOf(left)}`
  if (code === 0 || code === 1) return null
  return `it ended with ${signal ?? `exit code ${code}`}; ${name} takes 0 or 1`
}
