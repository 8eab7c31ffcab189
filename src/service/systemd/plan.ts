import { dirname, join } from 'node:path'
import { LOOKOUT, type Scope } from '../../config/paths.ts'
import type { ManagerCommand } from '../commands.ts'
import { type InstallPlan, inFolder, type RemovalPlan, type UnitValues } from '../plan.ts'
import { LOOKOUT_SYSUSERS, systemdDropIn, systemdUnits } from './units.ts'

const STARTED_UNITS = ['telec-watch.timer', 'telec-update.path', 'telec-update.timer']
/** In system scope, where the watcher has no rights: starts what has. */
const POLL_UNITS = ['telec-poll.path', 'telec-poll.timer']
/** Started only where there is a Redis; taken away in any case. */
const LISTENER = 'telec-listen.service'

/** Units, drop-in and commands for systemd. */
export function planSystemd(values: UnitValues): InstallPlan {
  const { world, scope } = values
  const { service, redis } = values.config
  const isSystem = scope === 'system'
  const folder = isSystem
    ? '/etc/systemd/system'
    : join(world.env.XDG_CONFIG_HOME ?? join(world.home, '.config'), 'systemd/user')
  const started = [...STARTED_UNITS, ...(isSystem ? POLL_UNITS : []), ...(redis ? [LISTENER] : [])]
  const systemctl = systemctlFor(scope)
  const units = {
    ...systemdUnits(values),
    ...(service?.restart === 'exit-42' && systemdDropIn(service.name)),
  }
  return {
    manager: 'systemd',
    scope,
    probes: started.flatMap((unit) => [
      systemctl('is-enabled', '--quiet', unit),
      systemctl('is-active', '--quiet', unit),
    ]),
    before: redis ? [] : [{ ...systemctl('disable', '--now', LISTENER), mayFail: true }],
    files: [...(isSystem ? [LOOKOUT_SYSUSERS] : []), ...inFolder(folder, units)],
    start: [
      ...(isSystem ? [{ argv: ['systemd-sysusers', LOOKOUT_SYSUSERS.path] }] : []),
      systemctl('daemon-reload'),
      systemctl('enable', ...started),
      systemctl('restart', ...started), // one that runs already takes up its new text
    ],
  }
}

/** With all that it wrote. A key that a person gave to it stays in its folder, and so does the user who may read it. */
const REMOVE_LOOKOUT: readonly ManagerCommand[] = [
  ['rm', '-f', LOOKOUT.nudge, LOOKOUT.looked, LOOKOUT.blind, LOOKOUT.listen, LOOKOUT.brief],
  ['rmdir', '--ignore-fail-on-non-empty', dirname(LOOKOUT.brief), LOOKOUT.home],
  ['sh', '-c', `[ -e ${LOOKOUT.home} ] || userdel ${LOOKOUT.user}`],
].map((argv) => ({ argv, mayFail: true }))

/** Also of what a configuration of before had started. */
export function systemdRemoval(scope: Scope): RemovalPlan {
  const systemctl = systemctlFor(scope)
  const isSystem = scope === 'system'
  const polling = ['telec-watch.service', ...(isSystem ? ['telec-poll.service'] : [])]
  const stop = [
    ['disable', '--now', ...STARTED_UNITS],
    ...(isSystem ? [['disable', '--now', ...POLL_UNITS]] : []),
    ['disable', '--now', LISTENER],
    ['stop', ...polling],
    // A failed unit would be listed long after its file is gone.
    ['reset-failed', ...polling, 'telec-update.service'],
  ]
  return {
    stop: stop.map((args) => ({ ...systemctl(...args), mayFail: true })),
    forget: [systemctl('daemon-reload'), ...(isSystem ? REMOVE_LOOKOUT : [])],
  }
}

function systemctlFor(scope: Scope): (...args: string[]) => ManagerCommand {
  return (...args) => ({ argv: ['systemctl', `--${scope}`, ...args] })
}
