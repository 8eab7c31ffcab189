import { join } from 'node:path'
import type { Scope } from '../../config/paths.ts'
import type { World } from '../../system/world.ts'
import type { InstallPlan, PlannedCommand, RemovalPlan, UnitValues } from '../plan.ts'
import { inFolder } from '../template.ts'
import { launchdPlists } from './plists.ts'

const LABELS = ['telec-watch', 'telec-update', 'telec-listen'] as const

/** launchctl(1) print: no such job. */
const NOT_LOADED = 113
/** bootstrap: a job of that label is still on its way out, for some seconds after bootout. */
const STILL_LEAVING = [5, 36, 37]

/** The domain in which a user's agents, or the computer's daemons, are (launchctl(1)). */
export function launchdDomain(world: World, scope: Scope): string {
  return scope === 'system' ? 'system' : `gui/${world.uid}`
}

/** Where launchd finds the plists of that domain at login, or at boot (launchd.plist(5)). */
export function launchdFolder(world: World, scope: Scope): string {
  return scope === 'system' ? '/Library/LaunchDaemons' : join(world.home, 'Library/LaunchAgents')
}

/** Plists and commands for launchd. Exit codes say little: what counts is whether a job is loaded at the end. */
export function planLaunchd(world: World, values: UnitValues, scope: Scope): InstallPlan {
  const domain = launchdDomain(world, scope)
  const files = inFolder(launchdFolder(world, scope), launchdPlists(values))
  const labels = LABELS.filter((label) => label !== 'telec-listen' || values.listens)
  const launchctl = (...args: string[]) => ['launchctl', ...args]
  const isLoaded = (label: string) => ({ argv: launchctl('print', `${domain}/${label}`) })
  return {
    manager: 'launchd',
    scope,
    probes: labels.map(isLoaded),
    before: unload(domain),
    files,
    start: [
      // A record of `disable` outlives the plist, and bootstrap would fail.
      ...labels.map((label) => ({ argv: launchctl('enable', `${domain}/${label}`) })),
      ...files.map(({ path }) => ({ argv: launchctl('bootstrap', domain, path), againAfter: STILL_LEAVING })),
      ...labels.map((label) => ({ ...isLoaded(label), againAfter: [NOT_LOADED] })),
    ],
  }
}

export function launchdRemoval(world: World, scope: Scope): Pick<RemovalPlan, 'stop' | 'forget'> {
  return { stop: unload(launchdDomain(world, scope)), forget: [] }
}

function unload(domain: string): PlannedCommand[] {
  return LABELS.flatMap((label) => [
    { argv: ['launchctl', 'bootout', `${domain}/${label}`], mayFail: true },
    { argv: ['launchctl', 'print', `${domain}/${label}`], againAfter: [0], mayFail: true }, // until it is gone
  ])
}
