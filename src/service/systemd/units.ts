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
import { hasLookout, LOOKOUT } from '../../config/paths.ts'
import { fillIn, type PlannedFile, type Units, type UnitValues } from '../plan.ts'
import { ownUnit, unitName } from './systemctl.ts'

/** telec's own units for systemd. */
export function systemdUnits(values: UnitValues): Units {
  const { config, paths, scope, node, bin, environment, actsForOwner } = values
  const names = config.service?.names ?? ['the checkout']
  const pollSeconds = Math.max(1, Math.round(config.deployment.poll_every / 1000))
  const isSystem = scope === 'system'
  const isLookout = hasLookout(paths, scope)
  const fill = (template: string) =>
    fillIn(template, {
      SERVICE: escapeSpecifiers(names.join(', ')),
      NODE: commandWord(node),
      TELEC_NODE: quote(`TELEC_NODE=${node}`),
      WATCH: commandWord(`${bin}/telec-watch`),
      HOW_TO_LOOK: isLookout ? '--lookout' : '--scheduled',
      AS_LOOKOUT: isLookout ? ' --lookout' : '',
      UPDATE: commandWord(`${bin}/telec-update`),
      SIGNAL: escapeSpecifiers(paths.signal),
      CONFIG: escapeSpecifiers(paths.config),
      HOME: quote(paths.home),
      TARGET: isSystem ? 'multi-user.target' : 'default.target',
      LOG_FIELDS: names.map((name) => quote(`TELEC_SERVICE=${name}`)).join(' '),
      CAPABILITIES: actsForOwner ? 'CAP_DAC_READ_SEARCH CAP_SETUID CAP_SETGID CAP_KILL' : '',
      PRIVATE_USERS: actsForOwner ? 'no' : 'yes',
      ENVIRONMENT: Object.entries(environment)
        .map(([name, value]) => quote(`${name}=${value}`))
        .join(' '),
      POLL_SECONDS: String(pollSeconds),
      JITTER_SECONDS: String(Math.max(1, Math.floor(pollSeconds / 10))),
      NUDGE: LOOKOUT.nudge,
      LOOKOUT_USER: LOOKOUT.user,
      LOOKOUT_HOME: LOOKOUT.home,
    })
  const hardened = (unit: string, calls = '') => ({
    [`${unit}.d/hardening.conf`]: fillIn(watchHardening, { SYSTEM_CALLS: calls }),
  })
  const lookout = (unit: string) => ({ ...hardened(unit), [`${unit}.d/lookout.conf`]: fill(watchLookout) })
  const units = {
    'telec-watch.service': fill(watchService),
    'telec-watch.timer': fill(watchTimer),
    'telec-update.path': fill(updatePath),
    'telec-update.service': fill(updateService),
    'telec-update.timer': fill(updateTimer),
    ...(config.redis && { 'telec-listen.service': fill(listenService) }),
    ...(isLookout && {
      'telec-poll.service': fill(pollService),
      'telec-poll.path': fill(pollPath),
      'telec-poll.timer': fill(pollTimer),
      ...hardened('telec-poll.service', actsForOwner ? 'SystemCallFilter=@setuid capset\n' : ''),
      ...lookout('telec-watch.service'),
      ...(config.redis && lookout('telec-listen.service')),
    }),
  }
  return Object.fromEntries(Object.entries(units).map(([name, text]) => [ownUnit(paths, name), text]))
}

/** The home that a unit of telec's names, as `systemdUnits` writes it; null where it names none. */
export function homeInUnit(text: string): string | null {
  const [, quoted, plain] = /"TELEC_HOME=((?:[^"\\]|\\.)*)"|\bTELEC_HOME=(\S+)/.exec(text) ?? []
  return (quoted?.replace(/\\(.)/g, '$1') ?? plain)?.replaceAll('%%', '%') ?? null
}

/** The lookout's user, as systemd-sysusers(8) makes it; one that is there already is left as it is. */
export const LOOKOUT_SYSUSERS: PlannedFile = {
  path: '/etc/sysusers.d/telec.conf',
  text: fillIn(sysusers, { LOOKOUT_USER: LOOKOUT.user, LOOKOUT_HOME: LOOKOUT.home }),
}

/** The drop-in that teaches each unit of the service the 42 contract. */
export function systemdDropIns(names: readonly string[]): Units {
  return Object.fromEntries(names.map((name) => [`${unitName(name)}.d/telec.conf`, dropIn]))
}

/** The settings of that drop-in, `KEY=VALUE` each. */
export const DROP_IN_SETTINGS: readonly string[] = dropIn.match(/^[A-Z]\w+=.*$/gm) ?? []

/** A word of `ExecStart=`, where `$` would start a variable (systemd.service(5)). */
function commandWord(word: string): string {
  return quote(word.replaceAll('$', '$$$$'))
}

/** A word as systemd reads it (systemd.syntax(7)): in quotes where it needs them, specifiers escaped. */
function quote(word: string): string {
  const escaped = escapeSpecifiers(word.replaceAll('\\', '\\\\').replaceAll('"', '\\"'))
  return /^[\w/.:=@%+,-]+$/.test(escaped) ? escaped : `"${escaped}"`
}

function escapeSpecifiers(text: string): string {
  return text.replaceAll('%', '%%')
}
