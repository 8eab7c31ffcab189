import dropIn from '../../../units/systemd/service-drop-in.conf'
import sysusers from '../../../units/systemd/telec.sysusers.conf'
import listenService from '../../../units/systemd/telec-listen.service'
import pollPath from '../../../units/systemd/telec-poll.path'
import pollService from '../../../units/systemd/telec-poll.service'
import pollTimer from '../../../units/systemd/telec-poll.timer'
import updatePath from '../../../units/systemd/telec-update.path'
import updateService from '../../../units/systemd/telec-update.service'
import updateTimer from '../../../units/systemd/telec-update.timer'
import watchHardening from '../../../units/systemd/telec-watch.hardening.conf'
import watchLookout from '../../../units/systemd/telec-watch.lookout.conf'
import watchService from '../../../units/systemd/telec-watch.service'
import watchTimer from '../../../units/systemd/telec-watch.timer'
import { LOOKOUT, type Scope } from '../../config/paths.ts'
import type { PlannedFile, UnitValues } from '../plan.ts'
import { fillIn, type UnitFile } from '../template.ts'
import { unitName } from './systemctl.ts'

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
