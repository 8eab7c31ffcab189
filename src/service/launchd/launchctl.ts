import { join } from 'node:path'
import type { Scope } from '../../config/paths.ts'
import { commandFailed, type RunResult } from '../../system/process.ts'
import type { World } from '../../system/world.ts'

const LAUNCHCTL_TIMEOUT_MS = 2 * 60_000

/** The domain in which a user's agents, or the computer's daemons, are (launchctl(1)). */
export function launchdDomain(world: World, scope: Scope): string {
  return scope === 'system' ? 'system' : `gui/${world.uid}`
}

/** Where launchd finds the plists of that domain at login, or at boot (launchd.plist(5)). */
export function launchdFolder(world: World, scope: Scope): string {
  return scope === 'system' ? '/Library/LaunchDaemons' : join(world.home, 'Library/LaunchAgents')
}

/** `print` exits with 113 for a job that is not loaded. */
export function tryLaunchctl(world: World, args: readonly string[]): Promise<RunResult> {
  return world.run('launchctl', args, { env: world.env, timeoutMs: LAUNCHCTL_TIMEOUT_MS })
}

/** Throws `halted` with launchctl's own words when it fails. */
export async function launchctl(world: World, args: readonly string[]): Promise<void> {
  const result = await tryLaunchctl(world, args)
  if (result.code !== 0)
    throw commandFailed(
      `launchctl ${args.join(' ')}`,
      result,
      `look at the job: launchctl print ${args.at(-1)}`,
    )
}
