import { realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import launchdContract from '../../../units/launchd/contract.plist'
import launchdListen from '../../../units/launchd/telec-listen.plist'
import launchdRestart from '../../../units/launchd/telec-restart.plist'
import launchdUpdate from '../../../units/launchd/telec-update.plist'
import launchdWatch from '../../../units/launchd/telec-watch.plist'
import { logFolder, type Paths, restartRequest, restartUnit } from '../../config/paths.ts'
import { sha256 } from '../../system/hash.ts'
import { fillIn, type Units, type UnitValues } from '../plan.ts'
import type { RootsJob } from './by-root.ts'

/** A job by which `telec doctor` tries what launchd does after exit code 42. */
export function contractJob(label: string, command: readonly string[]): string {
  return fillIn(launchdContract, {
    LABEL: escapeXml(label),
    ARGUMENTS: command.map((word) => `    <string>${escapeXml(word)}</string>`).join('\n'),
  })
}

/** The signal starts an update at once; this is for the one that launchd misses. */
const UPDATE_CALENDAR_MS = 5 * 60_000

/** telec's own jobs for launchd. */
export function launchdPlists(values: UnitValues): Units {
  const { world, config, paths, bin, environment, owner } = values
  const fill = (job: string, template: string, everyMs: number) => {
    const label = ownLabel(paths, job)
    const text = fillIn(template, {
      LABEL: label,
      WATCH: escapeXml(`${bin}/telec-watch`),
      UPDATE: escapeXml(`${bin}/telec-update`),
      WAKE: escapeXml(realPath(paths.wake)),
      LOGS: escapeXml(logFolder(paths, world.home)),
      RUNS_AS: owner
        ? `  <!-- The owner of the checkout: telec acts for nobody else. -->\n  <key>UserName</key>\n  <string>${escapeXml(owner.name)}</string>\n`
        : '',
      ENVIRONMENT: Object.entries(environment)
        .map(([name, value]) => `    <key>${escapeXml(name)}</key>\n    <string>${escapeXml(value)}</string>`)
        .join('\n'),
      MINUTES: calendarEntries(everyMs, config.computer),
    })
    return { [`${label}.plist`]: text }
  }
  const pollMs = config.deployment.poll_every
  return {
    ...fill('telec-watch', launchdWatch, pollMs),
    ...fill('telec-update', launchdUpdate, UPDATE_CALENDAR_MS),
    ...(config.redis && fill('telec-listen', launchdListen, pollMs)),
    ...Object.fromEntries(
      restarted(values).map(({ label, unit, request }) => [
        `${label}.plist`,
        fillIn(launchdRestart, {
          LABEL: label,
          JOB: escapeXml(`system/${unit}`),
          REQUEST: escapeXml(realPath(request)),
        }),
      ]),
    ),
  }
}

/** The jobs of root that restart what the owner of the checkout may not. */
export function restarted({ owner, config: { service }, paths }: UnitValues) {
  if (!owner || owner.uid === 0 || !service || service.restart === 'none') return []
  return service.names.map((unit, index) => ({ unit, ...rootsJob(paths, index) }))
}

/** @param index the place of the service's job in `service.name`. */
export function rootsJob(paths: Paths, index: number): RootsJob {
  return { label: ownLabel(paths, restartUnit(index)), request: restartRequest(paths, index) }
}

/** Where a path leads, as far as it is there: events have the real one. */
function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return join(realPath(dirname(path)), basename(path))
  }
}

/** The label of one of telec's jobs, for a service that has a name: `telec-watch.NAME`. */
export function ownLabel({ name }: Paths, job: string): string {
  return name === null ? job : `${job}.${name}`
}

/** The home that a plist of telec's names; null where it names none. */
export function homeInPlist(text: string): string | null {
  const [, home] = /<key>TELEC_HOME<\/key>\s*<string>([^<]*)</.exec(text) ?? []
  return home?.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&') ?? null
}

/** Minutes of an hour, others on each computer: launchd's calendar knows nothing shorter, and no jitter. */
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
