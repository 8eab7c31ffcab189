import { dirname, relative } from 'node:path'
import dropIn from '../../../units/systemd/service-drop-in.conf'
import listenService from '../../../units/systemd/telec-listen.service'
import restartPath from '../../../units/systemd/telec-restart.path'
import restartService from '../../../units/systemd/telec-restart.service'
import updatePath from '../../../units/systemd/telec-update.path'
import updateService from '../../../units/systemd/telec-update.service'
import updateTimer from '../../../units/systemd/telec-update.timer'
import watchHardening from '../../../units/systemd/telec-watch.hardening.conf'
import watchService from '../../../units/systemd/telec-watch.service'
import watchTimer from '../../../units/systemd/telec-watch.timer'
import { restartRequest, restartUnit } from '../../config/paths.ts'
import { outerHome } from '../../config/services.ts'
import { fillIn, type Units, type UnitValues } from '../plan.ts'
import { ownUnit, unitName } from './systemctl.ts'

/** telec's own units for systemd. */
export function systemdUnits(values: UnitValues): Units {
  const { config, paths, scope, node, bin, environment, owner } = values
  const names = config.service?.names ?? ['the checkout']
  const pollSeconds = Math.max(1, Math.round(config.deployment.poll_every / 1000))
  const isSystem = scope === 'system'
  const fill = (template: string, more: Readonly<Record<string, string>> = {}) =>
    fillIn(template, {
      SERVICE: escapeSpecifiers(names.join(', ')),
      NODE: commandWord(node),
      TELEC_NODE: quote(`TELEC_NODE=${node}`),
      WATCH: commandWord(`${bin}/telec-watch`),
      UPDATE: commandWord(`${bin}/telec-update`),
      SIGNAL: escapeSpecifiers(paths.signal),
      REQUEST: hasForeign(values) ? `PathChanged=${escapeSpecifiers(paths.request)}\n` : '',
      TARGET: isSystem ? 'multi-user.target' : 'default.target',
      LOG_FIELDS: names.map((name) => quote(`TELEC_SERVICE=${name}`)).join(' '),
      RUNS_AS: runsAs(values),
      NOTIFIES: hasForeign(values) ? '' : NOTIFIES,
      ENVIRONMENT: Object.entries(environment)
        .map(([name, value]) => quote(`${name}=${value}`))
        .join(' '),
      POLL_SECONDS: String(pollSeconds),
      JITTER_SECONDS: String(Math.max(1, Math.floor(pollSeconds / 10))),
      ...more,
    })
  const hardening = fill(watchHardening, {
    BUSES: owner?.uid === 0 ? '-/run/systemd/private -/run/dbus ' : '',
    WRITES: [outerHome(paths) ?? paths.home, ...(config.metrics ? [dirname(config.metrics)] : [])]
      .map((path) => quote(`-${path}`))
      .join(' '),
  })
  const units = {
    'telec-watch.service': fill(watchService),
    'telec-watch.timer': fill(watchTimer),
    'telec-update.path': fill(updatePath),
    'telec-update.service': fill(updateService),
    'telec-update.timer': fill(updateTimer),
    ...(config.redis && { 'telec-listen.service': fill(listenService) }),
    ...(isSystem && { 'telec-watch.service.d/hardening.conf': hardening }),
    ...(isSystem && config.redis && { 'telec-listen.service.d/hardening.conf': hardening }),
    ...Object.fromEntries(
      restarted(values).flatMap(({ unit, request, name }) => {
        const own = {
          SERVICE: escapeSpecifiers(unit),
          REQUEST: escapeSpecifiers(request),
          UNIT: commandWord(unit),
        }
        return [
          [`${name}.path`, fill(restartPath, own)],
          [`${name}.service`, fill(restartService, own)],
        ]
      }),
    ),
  }
  return Object.fromEntries(Object.entries(units).map(([name, text]) => [ownUnit(paths, name), text]))
}

/**
 * All of a unit's processes may speak to systemd then: what the code of a user says must not end a unit of the computer's,
 * or hold up its end and with it a shutdown (sd_notify(3), MAINPID=, WATCHDOG=trigger, EXTEND_TIMEOUT_USEC=).
 */
const NOTIFIES = `# What it is doing, and how it ended, shows in systemctl status (systemd-notify(1) says it, a child).
NotifyAccess=all
`

/** Whether telec's programs run as a user whom the system's manager does not obey. */
function hasForeign({ owner }: UnitValues): boolean {
  return owner !== null && owner.uid !== 0
}

/** The units of root that restart what the owner of the checkout may not: by file that asks for it. */
export function restarted(values: UnitValues) {
  const { service } = values.config
  if (!service || service.restart === 'none' || !hasForeign(values)) return []
  return service.names.map((name, index) => ({
    name: restartUnit(index),
    unit: unitName(name),
    request: restartRequest(values.paths, index),
  }))
}

/** In system scope: as whom, and where systemd keeps the home for that user (systemd.exec(5)). */
function runsAs({ owner, paths }: UnitValues): string {
  if (owner === null) return ''
  const home =
    paths.scope === 'system' && outerHome(paths) === null
      ? `StateDirectory=${relative('/var/lib', paths.home)}\nStateDirectoryMode=0700\n`
      : ''
  return `# The owner of the checkout: telec acts for nobody else.\nUser=${owner.name}\n${home}`
}

/** The home that a unit of telec's names, as `systemdUnits` writes it; null where it names none. */
export function homeInUnit(text: string): string | null {
  const [, quoted, plain] = /"TELEC_HOME=((?:[^"\\]|\\.)*)"|\bTELEC_HOME=(\S+)/.exec(text) ?? []
  return (quoted?.replace(/\\(.)/g, '$1') ?? plain)?.replaceAll('%%', '%') ?? null
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
