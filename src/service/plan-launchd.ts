import { join } from 'node:path'
import type { World } from '../system/world.ts'
import type { InstallPlan } from './plan.ts'
import { inFolder, launchdPlists, type UnitValues } from './render.ts'
import type { Scope } from './systemctl.ts'

/** Plists and commands for launchd. */
export function planLaunchd(world: World, values: UnitValues, scope: Scope): InstallPlan {
  const folder = scope === 'system' ? '/Library/LaunchDaemons' : join(world.home, 'Library/LaunchAgents')
  const domain = scope === 'system' ? 'system' : `gui/${world.uid}`
  const files = inFolder(folder, launchdPlists(values))
  const labels = ['telec-watch', 'telec-update', ...(values.listens ? ['telec-listen'] : [])]
  const all = ['telec-watch', 'telec-update', 'telec-listen']
  return {
    manager: 'launchd',
    scope,
    probes: labels.map((label) => ['launchctl', 'print', `${domain}/${label}`]),
    before: all.map((label) => ['launchctl', 'bootout', `${domain}/${label}`]),
    files,
    start: [
      ...labels.map((label) => ['launchctl', 'enable', `${domain}/${label}`]),
      ...files.map(({ path }) => ['launchctl', 'bootstrap', domain, path]),
    ],
    stop: all.map((label) => ['launchctl', 'bootout', `${domain}/${label}`]),
    forget: [],
  }
}
