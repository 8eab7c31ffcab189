import { basename, dirname, join, relative } from 'node:path'
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
import type { Scope } from '../../config/paths.ts'
import { outerHome } from '../../config/services.ts'
import type { World } from '../../system/world.ts'
import { rootUnits } from '../by-root.ts'
import type { ManagerCommand } from '../commands.ts'
import { fillIn, type InstallPlan, type PlannedFile, type RemovalPlan, type UnitValues } from '../plan.ts'
import { ownUnit, unitName } from './systemctl.ts'

/** Units, drop-ins and commands for systemd. */
export function planSystemd(values: UnitValues): InstallPlan {
  const { world, scope, paths, owner } = values
  const { service, redis } = values.config
  const started = [
    'telec-watch.timer',
    'telec-update.path',
    'telec-update.timer',
    ...rootUnits(values).map(({ name }) => `${name}.path`),
    ...(redis ? ['telec-listen.service'] : []),
  ].map((unit) => ownUnit(paths, unit))
  const systemctl = systemctlFor(scope)
  const folder = systemdFolder(world, scope)
  const changed = service?.restart === 'exit-42' ? service.names : []
  const dropIns = changed.map((name) => ({
    path: join(folder, `${unitName(name)}.d/telec.conf`),
    text: dropIn,
  }))
  return {
    manager: 'systemd',
    scope,
    owner,
    probes: started.flatMap((unit) => [
      systemctl('is-enabled', '--quiet', unit),
      systemctl('is-active', '--quiet', unit),
    ]),
    before: (stale) => {
      const own = unitsAmong(stale)
      return own.length === 0 ? [] : [{ ...systemctl('disable', '--now', ...own), mayFail: true }]
    },
    folders: [],
    files: [...systemdUnits(values, folder), ...dropIns],
    start: [
      systemctl('daemon-reload'),
      systemctl('enable', ...started),
      systemctl('restart', ...started), // a unit that runs takes its new text
    ],
  }
}

/** Without drop-ins. */
function unitsAmong(files: readonly string[]): string[] {
  return files.map((path) => basename(path)).filter((name) => /\.(service|timer|path)$/.test(name))
}

/** Where systemd finds the units of a user, or those of the computer (systemd.unit(5)). */
export function systemdFolder(world: World, scope: Scope): string {
  if (scope === 'system') return '/etc/systemd/system'
  return join(world.env.XDG_CONFIG_HOME ?? join(world.home, '.config'), 'systemd/user')
}

export function systemdRemoval(files: readonly string[], scope: Scope): RemovalPlan {
  const systemctl = systemctlFor(scope)
  const units = unitsAmong(files)
  const isUpdate = (unit: string) => /^telec-update(@.+)?\.service$/.test(unit) // a running update ends first
  const stop = [
    ['disable', '--now', ...units.filter((unit) => !isUpdate(unit))],
    // Else systemctl lists a failed unit without its file.
    ['reset-failed', ...units.filter((unit) => unit.endsWith('.service'))],
  ]
  return {
    stop: stop.map((args) => ({ ...systemctl(...args), mayFail: true })),
    forget: [systemctl('daemon-reload')],
  }
}

function systemctlFor(scope: Scope): (...args: string[]) => ManagerCommand {
  return (...args) => ({ argv: ['systemctl', `--${scope}`, ...args] })
}

function systemdUnits(values: UnitValues, folder: string): PlannedFile[] {
  const { config, paths, scope, node, bin, environment, owner } = values
  const names = config.service?.names ?? ['the checkout']
  const pollSeconds = Math.max(1, Math.round(config.deployment.poll_every / 1000))
  const isSystem = scope === 'system'
  const isForeign = owner !== null && owner.uid !== 0 // systemd takes no commands from this user
  const fill = (template: string, more: Readonly<Record<string, string>> = {}) =>
    fillIn(template, {
      SERVICE: escapeSpecifiers(names.join(', ')),
      NODE: commandWord(node),
      TELEC_NODE: quote(`TELEC_NODE=${node}`),
      WATCH: commandWord(`${bin}/telec-watch`),
      UPDATE: commandWord(`${bin}/telec-update`),
      SIGNAL: escapeSpecifiers(paths.signal),
      REQUEST: isForeign ? `PathChanged=${escapeSpecifiers(paths.request)}\n` : '',
      TARGET: isSystem ? 'multi-user.target' : 'default.target',
      LOG_FIELDS: names.map((name) => quote(`TELEC_SERVICE=${name}`)).join(' '),
      RUNS_AS: runsAs(values),
      NOTIFIES: isForeign ? '' : NOTIFIES,
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
  const units: Record<string, string> = {
    'telec-watch.service': fill(watchService),
    'telec-watch.timer': fill(watchTimer),
    'telec-update.path': fill(updatePath),
    'telec-update.service': fill(updateService),
    'telec-update.timer': fill(updateTimer),
    ...(config.redis && { 'telec-listen.service': fill(listenService) }),
    ...(isSystem && { 'telec-watch.service.d/hardening.conf': hardening }),
    ...(isSystem && config.redis && { 'telec-listen.service.d/hardening.conf': hardening }),
  }
  for (const { unit, request, name } of rootUnits(values)) {
    const own = {
      SERVICE: escapeSpecifiers(unitName(unit)),
      REQUEST: escapeSpecifiers(request),
      UNIT: commandWord(unitName(unit)),
    }
    units[`${name}.path`] = fill(restartPath, own)
    units[`${name}.service`] = fill(restartService, own)
  }
  return Object.entries(units).map(([name, text]) => ({ path: join(folder, ownUnit(paths, name)), text }))
}

/**
 * All processes of the unit may then send to systemd: code of a user must not end a unit of the computer, or delay its end and
 * with that a shutdown (sd_notify(3), MAINPID=, WATCHDOG=trigger, EXTEND_TIMEOUT_USEC=).
 */
const NOTIFIES = `# systemctl status shows the step of the update, and how it ended: systemd-notify(1) sends it, a child.
NotifyAccess=all
`

/** In system scope: the user, and where systemd keeps the home for that user (systemd.exec(5)). */
function runsAs({ owner, paths }: UnitValues): string {
  if (owner === null) return ''
  const home =
    paths.scope === 'system' && outerHome(paths) === null
      ? `StateDirectory=${relative('/var/lib', paths.home)}\nStateDirectoryMode=0700\n`
      : ''
  return `# The owner of the checkout: telec acts for nobody else.\nUser=${owner.name}\n${home}`
}

/** The home that a unit of telec's names; null where it names none. */
export function homeInUnit(text: string): string | null {
  const [, quoted, plain] = /"TELEC_HOME=((?:[^"\\]|\\.)*)"|\bTELEC_HOME=(\S+)/.exec(text) ?? []
  return (quoted?.replace(/\\(.)/g, '$1') ?? plain)?.replaceAll('%%', '%') ?? null
}

/** The settings of the service's drop-in, `KEY=VALUE` each. */
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
