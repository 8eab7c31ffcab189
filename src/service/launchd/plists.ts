import launchdContract from '../../../units/launchd/contract.plist'
import launchdListen from '../../../units/launchd/telec-listen.plist'
import launchdUpdate from '../../../units/launchd/telec-update.plist'
import launchdWatch from '../../../units/launchd/telec-watch.plist'
import type { Paths } from '../../config/paths.ts'
import { sha256 } from '../../system/hash.ts'
import { fillIn, type Units, type UnitValues } from '../plan.ts'

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
export function launchdPlists({ config, paths, bin, environment }: UnitValues): Units {
  const fill = (job: string, template: string, everyMs: number) => {
    const label = ownLabel(paths, job)
    const text = fillIn(template, {
      LABEL: label,
      WATCH: escapeXml(`${bin}/telec-watch`),
      UPDATE: escapeXml(`${bin}/telec-update`),
      HOME: escapeXml(paths.home),
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
