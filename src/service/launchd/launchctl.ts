import { TelecError } from '../../system/errors.ts'
import type { RunResult } from '../../system/process.ts'
import type { World } from '../../system/world.ts'

const LAUNCHCTL_TIMEOUT_MS = 2 * 60_000

/** The only caller of launchctl(1). `print` leaves with 113 for a job that is not loaded. */
export function tryLaunchctl(world: World, args: readonly string[]): Promise<RunResult> {
  return world.run('launchctl', args, { cwd: '/', env: world.env, timeoutMs: LAUNCHCTL_TIMEOUT_MS })
}

/** Throws `halted` with launchctl's own words when it fails. */
export async function launchctl(world: World, args: readonly string[]): Promise<string> {
  const result = await tryLaunchctl(world, args)
  if (result.code === 0) return result.stdout
  throw new TelecError('halted', `launchctl ${args.join(' ')} failed`, {
    because: result.stderr.trim() || `exit code ${result.code}`,
    hint: `look at the job: launchctl print ${args.at(-1)}`,
  })
}
