import { join } from 'node:path'
import type { Config } from '../config/schema.ts'
import type { World } from '../system/world.ts'
import type { InstallPlan, PlannedCommand, RemovalPlan } from './plan.ts'
import { inFolder, systemdDropIn, systemdUnits, type UnitValues } from './render.ts'
import type { Scope } from './systemctl.ts'

const STARTED_UNITS = ['telec-watch.timer', 'telec-update.path', 'telec-update.timer']
/** Started only where there is a Redis; taken away in any case. */
const LISTENER = 'telec-listen.service'

/** Units, drop-in and commands for systemd. */
export function planSystemd(world: World, config: Config, values: UnitValues, scope: Scope): InstallPlan {
  const folder =
    scope === 'system'
      ? '/etc/systemd/system'
      : join(world.env.XDG_CONFIG_HOME ?? join(world.home, '.config'), 'systemd/user')
  const { service } = config
  const dropIn = service && service.restart === 'exit-42' ? [systemdDropIn(service.name)] : []
  const started = values.listens ? [...STARTED_UNITS, LISTENER] : STARTED_UNITS
  const systemctl = systemctlFor(scope)
  return {
    manager: 'systemd',
    scope,
    probes: started.flatMap((unit) => [
      systemctl('is-enabled', '--quiet', unit),
      systemctl('is-active', '--quiet', unit),
    ]),
    before: values.listens ? [] : [{ ...systemctl('disable', '--now', LISTENER), mayFail: true }],
    files: inFolder(folder, [...systemdUnits(values, scope), ...dropIn]),
    start: [
      systemctl('daemon-reload'),
      systemctl('enable', ...started),
      systemctl('restart', ...started), // one that runs already takes up its new text
    ],
  }
}

/** Also of what a configuration of before had started. */
export function systemdRemoval(scope: Scope): Pick<RemovalPlan, 'stop' | 'forget'> {
  const systemctl = systemctlFor(scope)
  const stop = [
    ['disable', '--now', ...STARTED_UNITS],
    ['disable', '--now', LISTENER],
    ['stop', 'telec-watch.service'],
    // A failed unit would be listed long after its file is gone.
    ['reset-failed', 'telec-watch.service', 'telec-update.service'],
  ]
  return {
    stop: stop.map((args) => ({ ...systemctl(...args), mayFail: true })),
    forget: [systemctl('daemon-reload')],
  }
}

function systemctlFor(scope: Scope): (...args: string[]) => PlannedCommand {
  return (...args) => ({ argv: ['systemctl', `--${scope}`, ...args] })
}
