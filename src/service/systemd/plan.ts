import { basename, join } from 'node:path'
import type { Scope } from '../../config/paths.ts'
import type { World } from '../../system/world.ts'
import type { ManagerCommand } from '../commands.ts'
import { type InstallPlan, inFolder, type RemovalPlan, type UnitValues } from '../plan.ts'
import { ownUnit } from './systemctl.ts'
import { restarted, systemdDropIns, systemdUnits } from './units.ts'

const STARTED_UNITS = ['telec-watch.timer', 'telec-update.path', 'telec-update.timer']
/** Started only where there is a Redis. */
const LISTENER = 'telec-listen.service'

/** Units, drop-in and commands for systemd. */
export function planSystemd(values: UnitValues): InstallPlan {
  const { world, scope, paths } = values
  const { service, redis } = values.config
  const restarts = restarted(values).map(({ name }) => `${name}.path`)
  const started = [...STARTED_UNITS, ...restarts, ...(redis ? [LISTENER] : [])].map((unit) =>
    ownUnit(paths, unit),
  )
  const systemctl = systemctlFor(scope)
  const units = {
    ...systemdUnits(values),
    ...(service?.restart === 'exit-42' && systemdDropIns(service.names)),
  }
  return {
    manager: 'systemd',
    scope,
    owner: values.owner,
    probes: started.flatMap((unit) => [
      systemctl('is-enabled', '--quiet', unit),
      systemctl('is-active', '--quiet', unit),
    ]),
    before: (stale) => {
      const own = unitsAmong(stale)
      return own.length === 0 ? [] : [{ ...systemctl('disable', '--now', ...own), mayFail: true }]
    },
    folders: [],
    files: inFolder(systemdFolder(world, scope), units),
    start: [
      systemctl('daemon-reload'),
      systemctl('enable', ...started),
      systemctl('restart', ...started), // one that runs already takes up its new text
    ],
  }
}

/** Units among files, and not what is dropped into them. */
function unitsAmong(files: readonly string[]): string[] {
  return files.map((path) => basename(path)).filter((name) => /\.(service|timer|path)$/.test(name))
}

/** Where systemd finds the units of a user, or those of the computer (systemd.unit(5)). */
export function systemdFolder(world: World, scope: Scope): string {
  if (scope === 'system') return '/etc/systemd/system'
  return join(world.env.XDG_CONFIG_HOME ?? join(world.home, '.config'), 'systemd/user')
}

/** Of what was installed. */
export function systemdRemoval(files: readonly string[], scope: Scope): RemovalPlan {
  const systemctl = systemctlFor(scope)
  const units = unitsAmong(files)
  const isUpdate = (unit: string) => /^telec-update(@.+)?\.service$/.test(unit) // one that runs goes to its end
  const stop = [
    ['disable', '--now', ...units.filter((unit) => !isUpdate(unit))],
    // A failed unit would be listed long after its file is gone.
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
