import { dirname, join } from 'node:path'
import type { Scope } from '../../config/paths.ts'
import { LOOKOUT } from '../../config/paths.ts'
import type { Service } from '../../config/service.ts'
import type { InstallPlan, PlannedCommand, RemovalPlan, UnitValues } from '../plan.ts'
import { inFolder } from '../template.ts'
import { LOOKOUT_SYSUSERS, systemdDropIn, systemdUnits } from './units.ts'

const STARTED_UNITS = ['telec-watch.timer', 'telec-update.path', 'telec-update.timer']
/** In system scope, where the watcher has no rights: starts what has. */
const POLL_UNITS = ['telec-poll.path', 'telec-poll.timer']
/** Started only where there is a Redis; taken away in any case. */
const LISTENER = 'telec-listen.service'

/** Units, drop-in and commands for systemd. */
export function planSystemd({ world, config }: Service, values: UnitValues, scope: Scope): InstallPlan {
  const folder =
    scope === 'system'
      ? '/etc/systemd/system'
      : join(world.env.XDG_CONFIG_HOME ?? join(world.home, '.config'), 'systemd/user')
  const { service } = config
  const dropIn = service && service.restart === 'exit-42' ? [systemdDropIn(service.name)] : []
  const isSystem = scope === 'system'
  const started = [...STARTED_UNITS, ...(isSystem ? POLL_UNITS : []), ...(values.listens ? [LISTENER] : [])]
  const systemctl = systemctlFor(scope)
  return {
    manager: 'systemd',
    scope,
    probes: started.flatMap((unit) => [
      systemctl('is-enabled', '--quiet', unit),
      systemctl('is-active', '--quiet', unit),
    ]),
    before: values.listens ? [] : [{ ...systemctl('disable', '--now', LISTENER), mayFail: true }],
    files: [
      ...(isSystem ? [LOOKOUT_SYSUSERS] : []),
      ...inFolder(folder, [...systemdUnits(values, scope), ...dropIn]),
    ],
    start: [
      ...(isSystem ? [{ argv: ['systemd-sysusers', LOOKOUT_SYSUSERS.path] }] : []),
      systemctl('daemon-reload'),
      systemctl('enable', ...started),
      systemctl('restart', ...started), // one that runs already takes up its new text
    ],
  }
}

/** With all that it wrote. A key that a person gave to it stays in its folder, and so does the user who may read it. */
const REMOVE_LOOKOUT: readonly PlannedCommand[] = [
  {
    argv: ['rm', '-f', LOOKOUT.nudge, LOOKOUT.looked, LOOKOUT.blind, LOOKOUT.listen, LOOKOUT.brief],
    mayFail: true,
  },
  { argv: ['rmdir', '--ignore-fail-on-non-empty', dirname(LOOKOUT.brief), LOOKOUT.home], mayFail: true },
  { argv: ['sh', '-c', `[ -e ${LOOKOUT.home} ] || userdel ${LOOKOUT.user}`], mayFail: true },
]

/** Also of what a configuration of before had started. */
export function systemdRemoval(scope: Scope): Pick<RemovalPlan, 'stop' | 'forget'> {
  const systemctl = systemctlFor(scope)
  const polling = ['telec-watch.service', ...(scope === 'system' ? ['telec-poll.service'] : [])]
  const stop = [
    ['disable', '--now', ...STARTED_UNITS],
    ...(scope === 'system' ? [['disable', '--now', ...POLL_UNITS]] : []),
    ['disable', '--now', LISTENER],
    ['stop', ...polling],
    // A failed unit would be listed long after its file is gone.
    ['reset-failed', ...polling, 'telec-update.service'],
  ]
  const forget = [systemctl('daemon-reload')]
  return {
    stop: stop.map((args) => ({ ...systemctl(...args), mayFail: true })),
    forget: scope === 'user' ? forget : [...forget, ...REMOVE_LOOKOUT],
  }
}

function systemctlFor(scope: Scope): (...args: string[]) => PlannedCommand {
  return (...args) => ({ argv: ['systemctl', `--${scope}`, ...args] })
}
