import { basename, dirname, join } from 'node:path'
import launchdContract from '../../../units/launchd/contract.plist'
import launchdListen from '../../../units/launchd/telec-listen.plist'
import launchdRestart from '../../../units/launchd/telec-restart.plist'
import launchdUpdate from '../../../units/launchd/telec-update.plist'
import launchdWatch from '../../../units/launchd/telec-watch.plist'
import { logFolder, type Paths, type Scope } from '../../config/paths.ts'
import { outerHome } from '../../config/services.ts'
import { sha256 } from '../../system/hash.ts'
import { realPath } from '../../system/places.ts'
import type { World } from '../../system/world.ts'
import { rootUnits } from '../by-root.ts'
import type { ManagerCommand } from '../commands.ts'
import { fillIn, type InstallPlan, type PlannedFile, type RemovalPlan, type UnitValues } from '../plan.ts'
import { KICKSTART_MS, launchdDomain, launchdFolder, REFUSED_BY_LAUNCHD, STILL_UNLOADING } from './manager.ts'
import { ANSWERS_WITHIN_MS, NOT_LOADED } from './print.ts'

/** Plists and commands for launchd. Exit codes say little: at the end each job has to be loaded. */
export function planLaunchd(values: UnitValues): InstallPlan {
  const { world, paths, scope, owner } = values
  const domain = launchdDomain(world, scope)
  const files = launchdPlists(values)
  const own = files.map(({ path }) => path)
  const jobs = jobsOf(domain, own)
  const probes = jobs.map((job) => ({ ...launchctl('print', job), timeoutMs: ANSWERS_WITHIN_MS }))
  const isOwners = owner !== null && owner.uid !== 0
  return {
    manager: 'launchd',
    scope,
    owner,
    probes,
    // The owner's telec makes a home inside that of another service: root would follow a link there.
    folders: [logFolder(paths, world.home), ...(isOwners && outerHome(paths) === null ? [paths.home] : [])],
    before: (stale) => unload(domain, [...own, ...stale]),
    files,
    start: [
      // `disable` outlives the plist, and bootstrap would fail.
      ...jobs.map((job) => launchctl('enable', job)),
      ...own.map((path) => ({
        ...launchctl('bootstrap', domain, path),
        againAfter: STILL_UNLOADING,
        hint: REFUSED_BY_LAUNCHD,
      })),
      ...probes.map((probe) => ({ ...probe, againAfter: [NOT_LOADED], hint: REFUSED_BY_LAUNCHD })),
      ...jobs
        .filter((job) => /\/telec-(watch|listen)\b/.test(job))
        .map((job) => ({ ...launchctl('kickstart', job), mayFail: true, timeoutMs: KICKSTART_MS })),
    ],
  }
}

export function launchdRemoval(world: World, files: readonly string[], scope: Scope): RemovalPlan {
  return { stop: unload(launchdDomain(world, scope), files), forget: [] }
}

function jobsOf(domain: string, files: readonly string[]): string[] {
  return files.map((path) => `${domain}/${basename(path, '.plist')}`)
}

function unload(domain: string, files: readonly string[]): ManagerCommand[] {
  return jobsOf(domain, files).flatMap((job) => [
    { ...launchctl('bootout', job), mayFail: true },
    { ...launchctl('print', job), againAfter: [0], mayFail: true }, // until launchd has unloaded it
  ])
}

function launchctl(...args: string[]): ManagerCommand {
  return { argv: ['launchctl', ...args] }
}

/** The signal starts an update at once; the calendar starts those that launchd missed. */
const UPDATE_CALENDAR_MS = 5 * 60_000

function launchdPlists(values: UnitValues): PlannedFile[] {
  const { world, config, paths, scope, bin, environment, owner } = values
  const folder = launchdFolder(world, scope)
  const fill = (
    job: string,
    template: string,
    everyMs: number,
    more: Readonly<Record<string, string>> = {},
  ) => {
    const label = ownLabel(paths, job)
    const text = fillIn(template, {
      LABEL: label,
      WATCH: escapeXml(`${bin}/telec-watch`),
      UPDATE: escapeXml(`${bin}/telec-update`),
      WAKE: escapeXml(withoutLinks(paths.wake)),
      LOGS: escapeXml(logFolder(paths, world.home)),
      RUNS_AS: owner
        ? `  <!-- The owner of the checkout: telec acts for nobody else. -->\n  <key>UserName</key>\n  <string>${escapeXml(owner.name)}</string>\n`
        : '',
      ENVIRONMENT: Object.entries(environment)
        .map(([name, value]) => `    <key>${escapeXml(name)}</key>\n    <string>${escapeXml(value)}</string>`)
        .join('\n'),
      MINUTES: calendarEntries(everyMs, config.computer),
      ...more,
    })
    return { path: join(folder, `${label}.plist`), text }
  }
  const pollMs = config.deployment.poll_every
  return [
    fill('telec-watch', launchdWatch, pollMs),
    fill('telec-update', launchdUpdate, UPDATE_CALENDAR_MS),
    ...(config.redis ? [fill('telec-listen', launchdListen, pollMs)] : []),
    ...rootUnits(values).map(({ name, unit, request }) =>
      fill(name, launchdRestart, pollMs, {
        JOB: escapeXml(`system/${unit}`),
        REQUEST: escapeXml(withoutLinks(request)),
      }),
    ),
  ]
}

/** A job by which `telec doctor` tests what launchd does after exit code 42. */
export function contractJob(label: string, command: readonly string[]): string {
  return fillIn(launchdContract, {
    LABEL: escapeXml(label),
    ARGUMENTS: command.map((word) => `    <string>${escapeXml(word)}</string>`).join('\n'),
  })
}

/** Without links, as far as the path exists: launchd's events have the real path. */
function withoutLinks(path: string): string {
  return realPath(path) ?? join(withoutLinks(dirname(path)), basename(path))
}

/** The label of one of telec's jobs: of a named service `telec-watch.NAME`. */
export function ownLabel({ name }: Paths, job: string): string {
  return name === null ? job : `${job}.${name}`
}

/** The home that a plist of telec's names; null where it names none. */
export function homeInPlist(text: string): string | null {
  const [, home] = /<key>TELEC_HOME<\/key>\s*<string>([^<]*)</.exec(text) ?? []
  return home?.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&') ?? null
}

/** Minutes of an hour, others on each computer: launchd's calendar has no seconds, and no jitter. */
function calendarEntries(everyMs: number, computer: string): string {
  const step = Math.min(60, Math.max(1, Math.round(everyMs / 60_000)))
  const offset = Number.parseInt(sha256(computer).slice(0, 8), 16) % step
  return Array.from({ length: Math.floor(60 / step) }, (_, index) => index * step + offset)
    .map((minute) => `    <dict>\n      <key>Minute</key>\n      <integer>${minute}</integer>\n    </dict>`)
    .join('\n')
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
