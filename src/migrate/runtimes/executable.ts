import { NOT_FOUND, searched } from '../../service/programs-found.ts'
import { foreseen } from '../../system/errors.ts'
import { namesOf } from '../../system/groups.ts'
import { loadLaunch } from '../../system/launch.ts'
import { type RunResult, run } from '../../system/process.ts'
import { callFailure } from '../failure.ts'
import type { FunctionName } from './protocol.ts'
import { CALL_TIMEOUT_MS, logLine, MOST_OUTPUT, PRINTED_TOO_MUCH, type Runtime } from './runtime.ts'

/** Any executable file: `FILE check` exits with 0 (applied) or 1 (not yet), `FILE migrate` with 0 (done). */
export const executableRuntime: Runtime = (migration, { world, checkout, env }) => ({
  async call(name) {
    const bounds = { timeoutMs: CALL_TIMEOUT_MS, maxOutput: MOST_OUTPUT, leftovers: 'end' } as const
    const options = { cwd: checkout, env, onLine: logLine(world), loadLaunch, ...bounds }
    const result = await run(migration.path, [name], options).catch((error: unknown) => {
      throw callFailure(migration, name, `it did not start: ${foreseen(error).because}`, '')
    })
    const fault = faultIn(result, name)
    const where = result.code === NOT_FOUND ? `\n${searched(env)}` : ''
    if (fault !== null) throw callFailure(migration, name, `${fault}${where}`, result.stdout)
    return result.code === 0
  },
  close: async () => undefined, // each call is a process of its own
})

/** Why the call failed; null: it answered. */
function faultIn({ code, signal, endedBy, leftovers }: RunResult, name: FunctionName): string | null {
  if (endedBy === 'output') return PRINTED_TOO_MUCH
  if (endedBy === 'timeout') return `it was still running after ${CALL_TIMEOUT_MS / 1000} s`
  if (leftovers.length > 0) return `it left processes running: ${namesOf(leftovers)}`
  if (code === 0 || code === 1) return null
  return `it failed with ${signal ?? `exit code ${code}`}; ${name} must exit with 0 or 1`
}
