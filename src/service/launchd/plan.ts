import { basename } from 'node:path'
import { logFolder, type Scope } from '../../config/paths.ts'
import { outerHome } from '../../config/services.ts'
import type { World } from '../../system/world.ts'
import type { ManagerCommand } from '../commands.ts'
import { type InstallPlan, inFolder, type RemovalPlan, type UnitValues } from '../plan.ts'
import { KICKSTART_MS, launchdDomain, launchdFolder, REFUSED_BY_LAUNCHD, STILL_LEAVING } from './manager.ts'
import { launchdPlists } from './plists.ts'
import { ANSWERS_WITHIN_MS, NOT_LOADED } from './print.ts'

/** Plists and commands for launchd. Exit codes say little: what counts is whether a job is loaded at the end. */
export function planLaunchd(values: UnitValues): InstallPlan {
  const { world, paths, scope, owner } = values
  const domain = launchdDomain(world, scope)
  const files = inFolder(launchdFolder(world, scope), launchdPlists(values))
  const own = files.map(({ path }) => path)
  const jobs = jobsOf(domain, own)
  const probes = jobs.map((job) => ({ ...launchctl('print', job), timeoutMs: ANSWERS_WITHIN_MS }))
  const isOwners = owner !== null && owner.uid !== 0
  return {
    manager: 'launchd',
    scope,
    owner,
    probes,
    // A home inside that of another service is for its owner's telec to make: root would follow a link there.
    folders: [logFolder(paths, world.home), ...(isOwners && outerHome(paths) === null ? [paths.home] : [])],
    before: (stale) => unload(domain, [...own, ...stale]),
    files,
    start: [
      // A record of `disable` outlives the plist, and bootstrap would fail.
      ...jobs.map((job) => launchctl('enable', job)),
      ...own.map((path) => ({
        ...launchctl('bootstrap', domain, path),
        againAfter: STILL_LEAVING,
        hint: REFUSED_BY_LAUNCHD,
      })),
      ...probes.map((probe) => ({ ...probe, againAfter: [NOT_LOADED], hint: REFUSED_BY_LAUNCHD })),
      ...jobs
        .filter((job) => /\/telec-(watch|listen)\b/.test(job))
        .map((job) => ({ ...launchctl('kickstart', job), mayFail: true, timeoutMs: KICKSTART_MS })),
    ],
  }
}

/** Of what was installed. */
export function launchdRemoval(world: World, files: readonly string[], scope: Scope): RemovalPlan {
  return { stop: unload(launchdDomain(world, scope), files), forget: [] }
}

function jobsOf(domain: string, files: readonly string[]): string[] {
  return files.map((path) => `${domain}/${basename(path, '.plist')}`)
}

function unload(domain: string, files: readonly string[]): ManagerCommand[] {
  return jobsOf(domain, files).flatMap((job) => [
    { ...launchctl('bootout', job), mayFail: true },
    { ...launchctl('print', job), againAfter: [0], mayFail: true }, // until it is gone
  ])
}

function launchctl(...args: string[]): ManagerCommand {
  return { argv: ['launchctl', ...args] }
}
