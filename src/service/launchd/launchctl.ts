import { join } from 'node:path'
import type { Scope } from '../../config/paths.ts'
import type { RunResult } from '../../system/process.ts'
import type { World } from '../../system/world.ts'
import { tryCommand } from '../commands.ts'

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
  return tryCommand(world, ['launchctl', ...args])
}
