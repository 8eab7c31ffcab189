import { join } from 'node:path'
import launchdContract from '../../units/launchd/contract.plist'
import launchdListen from '../../units/launchd/telec-listen.plist'
import launchdUpdate from '../../units/launchd/telec-update.plist'
import launchdWatch from '../../units/launchd/telec-watch.plist'
import dropIn from '../../units/systemd/service-drop-in.conf'
import sysusers from '../../units/systemd/telec.sysusers.conf'
import listenService from '../../units/systemd/telec-listen.service'
import pollPath from '../../units/systemd/telec-poll.path'
import pollService from '../../units/systemd/telec-poll.service'
import pollTimer from '../../units/systemd/telec-poll.timer'
import updatePath from '../../units/systemd/telec-update.path'
import updateService from '../../units/systemd/telec-update.service'
import updateTimer from '../../units/systemd/telec-update.timer'
import watchHardening from '../../units/systemd/telec-watch.hardening.conf'
import watchLookout from '../../units/systemd/telec-watch.lookout.conf'
import watchService from '../../units/systemd/telec-watch.service'
import watchTimer from '../../units/systemd/telec-watch.timer'
import { LOOKOUT } from '../config/paths.ts'
import { sha256 } from '../system/hash.ts'
import type { PlannedFile } from './installation.ts'
import { type Scope, unitName } from './systemd/systemctl.ts'

/** What the units say about this computer; all paths are absolute. */
export interface UnitValues {
  /** The supervised service's name; null where telec only keeps a checkout up to date. */
  readonly service: string | null
  readonly node: string
  /** The folder that holds the bundles. */
  readonly bin: string
  /** telec's home. */
  readonly home: string
  /** The configuration's file. */
  readonly config: string
  /** The signal file, which starts an update when it changes. */
  readonly signal: string
  /** The computer's name, by which its polls differ from those of others. */
  readonly computer: string
  readonly environment: Readonly<Record<string, string>>
  readonly pollMs: number
  /** Whether git is run as another user, whose checkout it is. */
  readonly actsForOwner: boolean
  /** Whether there is a Redis to listen to. */
  readonly listens: boolean
}

export interface UnitFile {
  readonly name: string
  readonly text: string
}

/** The units as files of a folder. */
export function inFolder(folder: string, units: readonly UnitFile[]): { path: string; text: string }[] {
  return units.map(({ name, text }) => ({ path: join(folder, name), text }))
}

/** telec's own units for systemd. */
export function systemdUnits(values: UnitValues, scope: Scope): UnitFile[] {
  const service = values.service ?? 'the checkout'
  const pollSeconds = Math.max(1, Math.round(values.pollMs / 1000))
  const assignments = Object.entries(values.environment).map(([name, value]) => quote(`${name}=${value}`))
  const isSystem = scope === 'system'
  const fill = (template: string) =>
    fillIn(template, {
      SERVICE: escapeSpecifiers(service),
      NODE: commandWord(values.node),
      TELEC_NODE: quote(`TELEC_NODE=${values.node}`),
      WATCH: commandWord(`${values.bin}/telec-watch`),
      HOW_TO_LOOK: isSystem ? '--lookout' : '--scheduled',
      AS_LOOKOUT: isSystem ? ' --lookout' : '',
      UPDATE: commandWord(`${values.bin}/telec-update`),
      SIGNAL: escapeSpecifiers(values.signal),
      CONFIG: escapeSpecifiers(values.config),
      HOME: quote(values.home),
      TARGET: isSystem ? 'multi-user.target' : 'default.target',
      LOG_FIELDS: quote(`TELEC_SERVICE=${service}`),
      CAPABILITIES: values.actsForOwner ? 'CAP_DAC_READ_SEARCH CAP_SETUID CAP_SETGID CAP_KILL' : '',
      PRIVATE_USERS: values.actsForOwner ? 'no' : 'yes',
      ENVIRONMENT: assignments.join(' '),
      POLL_SECONDS: String(pollSeconds),
      JITTER_SECONDS: String(Math.max(1, Math.floor(pollSeconds / 10))),
      NUDGE: LOOKOUT.nudge,
      LOOKOUT_USER: LOOKOUT.user,
      LOOKOUT_HOME: LOOKOUT.home,
    })
  const hardening = (unit: string, actsForOwner: boolean) => ({
    name: `${unit}.d/hardening.conf`,
    text: fillIn(watchHardening, { SYSTEM_CALLS: actsForOwner ? 'SystemCallFilter=@setuid capset\n' : '' }),
  })
  const lookouts = ['telec-watch.service', ...(values.listens ? ['telec-listen.service'] : [])]
  const lockedIn = [
    { name: 'telec-poll.service', text: fill(pollService) },
    { name: 'telec-poll.path', text: fill(pollPath) },
    { name: 'telec-poll.timer', text: fill(pollTimer) },
    hardening('telec-poll.service', values.actsForOwner),
    ...lookouts.flatMap((unit) => [
      hardening(unit, false),
      { name: `${unit}.d/lookout.conf`, text: fill(watchLookout) },
    ]),
  ]
  return [
    { name: 'telec-watch.service', text: fill(watchService) },
    { name: 'telec-watch.timer', text: fill(watchTimer) },
    { name: 'telec-update.path', text: fill(updatePath) },
    { name: 'telec-update.service', text: fill(updateService) },
    { name: 'telec-update.timer', text: fill(updateTimer) },
    ...(values.listens ? [{ name: 'telec-listen.service', text: fill(listenService) }] : []),
    ...(isSystem ? lockedIn : []),
  ]
}

/** The lookout's user, as systemd-sysusers(8) makes it; one that is there already is left as it is. */
export const LOOKOUT_SYSUSERS: PlannedFile = {
  path: '/etc/sysusers.d/telec.conf',
  text: fillIn(sysusers, { LOOKOUT_USER: LOOKOUT.user, LOOKOUT_HOME: LOOKOUT.home }),
}

/** The drop-in that teaches the service's unit the 42 contract. */
export function systemdDropIn(service: string): UnitFile {
  return { name: `${unitName(service)}.d/telec.conf`, text: dropIn }
}

/** The settings of that drop-in, `KEY=VALUE` each. */
export const DROP_IN_SETTINGS: readonly string[] = dropIn
  .split('\n')
  .filter((line) => /^[A-Z]\w+=/.test(line))

/** A job by which `telec doctor` tries what launchd does after exit code 42. */
export function contractJob(label: string, command: readonly string[]): string {
  return fillIn(launchdContract, {
    LABEL: escapeXml(label),
    ARGUMENTS: command.map((word) => `    <string>${escapeXml(word)}</string>`).join('\n'),
  })
}

/** telec's own jobs for launchd. */
export function launchdPlists(values: UnitValues): UnitFile[] {
  const environment = Object.entries(values.environment)
    .map(([name, value]) => `    <key>${escapeXml(name)}</key>\n    <string>${escapeXml(value)}</string>`)
    .join('\n')
  const fill = (template: string, everyMs: number) =>
    fillIn(template, {
      WATCH: escapeXml(`${values.bin}/telec-watch`),
      UPDATE: escapeXml(`${values.bin}/telec-update`),
      HOME: escapeXml(values.home),
      ENVIRONMENT: environment,
      MINUTES: calendarEntries(everyMs, values.computer),
    })
  return [
    { name: 'telec-watch.plist', text: fill(launchdWatch, values.pollMs) },
    { name: 'telec-update.plist', text: fill(launchdUpdate, UPDATE_CALENDAR_MS) },
    ...(values.listens ? [{ name: 'telec-listen.plist', text: fill(launchdListen, values.pollMs) }] : []),
  ]
}

/** The signal starts an update at once; this is for the one that launchd misses. */
const UPDATE_CALENDAR_MS = 5 * 60_000

/**
 * Minutes of an hour, about `everyMs` apart, other ones on each computer: launchd's calendar knows nothing shorter, and
 * no jitter.
 */
function calendarEntries(everyMs: number, computer: string): string {
  const step = Math.min(60, Math.max(1, Math.round(everyMs / 60_000)))
  const offset = Number.parseInt(sha256(computer).slice(0, 8), 16) % step
  return Array.from({ length: Math.floor(60 / step) }, (_, index) => index * step + offset)
    .map((minute) => `    <dict>\n      <key>Minute</key>\n      <integer>${minute}</integer>\n    </dict>`)
    .join('\n')
}

/** Puts the values in the place of the template's `@NAME@`s; one that has no value is a bug. */
function fillIn(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`a unit template asks for @${name}@, which has no value`)
    return value
  })
}

/** A word of `ExecStart=`, where `$` would start a variable (systemd.service(5)). */
function commandWord(word: string): string {
  return quote(word.replace(/\$/g, () => '$$'))
}

/** A word as systemd reads it (systemd.syntax(7)): in quotes where it needs them, specifiers escaped. */
function quote(word: string): string {
  const escaped = escapeSpecifiers(word.replaceAll('\\', '\\\\').replaceAll('"', '\\"'))
  return /^[\w/.:=@%+,-]+$/.test(escaped) ? escaped : `"${escaped}"`
}

function escapeSpecifiers(text: string): string {
  return text.replaceAll('%', '%%')
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
