import type { Paths, Scope } from '../../config/paths.ts'
import type { World } from '../../system/world.ts'
import type { ManagerCommand } from '../commands.ts'
import { type InstallPlan, inFolder, type RemovalPlan, type UnitValues } from '../plan.ts'
import { launchdDomain, launchdFolder, STILL_LEAVING } from './manager.ts'
import { launchdPlists, ownLabel } from './plists.ts'

const JOBS = ['telec-watch', 'telec-update', 'telec-listen'] as const

/** launchctl(1) print: no such job. */
const NOT_LOADED = 113

/** Plists and commands for launchd. Exit codes say little: what counts is whether a job is loaded at the end. */
export function planLaunchd(values: UnitValues): InstallPlan {
  const { world, config, paths, scope } = values
  const domain = launchdDomain(world, scope)
  const files = inFolder(launchdFolder(world, scope), launchdPlists(values))
  const jobs = JOBS.filter((job) => job !== 'telec-listen' || config.redis).map(
    (job) => `${domain}/${ownLabel(paths, job)}`,
  )
  const probes = jobs.map((job) => launchctl('print', job))
  return {
    manager: 'launchd',
    scope,
    owner: values.owner,
    probes,
    before: () => unload(domain, paths),
    files,
    start: [
      // A record of `disable` outlives the plist, and bootstrap would fail.
      ...jobs.map((job) => launchctl('enable', job)),
      ...files.map(({ path }) => ({ ...launchctl('bootstrap', domain, path), againAfter: STILL_LEAVING })),
      ...probes.map((probe) => ({ ...probe, againAfter: [NOT_LOADED] })),
    ],
  }
}

export function launchdRemoval(world: World, paths: Paths, scope: Scope): RemovalPlan {
  return { stop: unload(launchdDomain(world, scope), paths), forget: [] }
}

function unload(domain: string, paths: Paths): ManagerCommand[] {
  return JOBS.map((job) => `${domain}/${ownLabel(paths, job)}`).flatMap((job) => [
    { ...launchctl('bootout', job), mayFail: true },
    { ...launchctl('print', job), againAfter: [0], mayFail: true }, // until it is gone
  ])
}

function launchctl(...args: string[]): ManagerCommand {
  return { argv: ['launchctl', ...args] }
}
