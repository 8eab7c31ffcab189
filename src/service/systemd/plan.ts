import { dirname, join } from 'node:path'
import { hasLookout, LOOKOUT, type Paths, type Scope } from '../../config/paths.ts'
import type { World } from '../../system/world.ts'
import type { ManagerCommand } from '../commands.ts'
import { type InstallPlan, inFolder, type RemovalPlan, type UnitValues } from '../plan.ts'
import { ownUnit } from './systemctl.ts'
import { LOOKOUT_SYSUSERS, systemdDropIns, systemdUnits } from './units.ts'

const STARTED_UNITS = ['telec-watch.timer', 'telec-update.path', 'telec-update.timer']
/** In system scope, where the watcher has no rights: starts what has. */
const POLL_UNITS = ['telec-poll.path', 'telec-poll.timer']
/** Started only where there is a Redis; taken away in any case. */
const LISTENER = 'telec-listen.service'

/** Units, drop-in and commands for systemd. */
export function planSystemd(values: UnitValues): InstallPlan {
  const { world, scope, paths } = values
  const { service, redis } = values.config
  const isLookout = hasLookout(paths, scope)
  const started = [...STARTED_UNITS, ...(isLookout ? POLL_UNITS : []), ...(redis ? [LISTENER] : [])].map(
    (unit) => ownUnit(paths, unit),
  )
  const systemctl = systemctlFor(scope)
  const units = {
    ...systemdUnits(values),
    ...(service?.restart === 'exit-42' && systemdDropIns(service.names)),
  }
  return {
    manager: 'systemd',
    scope,
    probes: started.flatMap((unit) => [
      systemctl('is-enabled', '--quiet', unit),
      systemctl('is-active', '--quiet', unit),
    ]),
    before: redis ? [] : [{ ...systemctl('disable', '--now', ownUnit(paths, LISTENER)), mayFail: true }],
    files: [...(isLookout ? [LOOKOUT_SYSUSERS] : []), ...inFolder(systemdFolder(world, scope), units)],
    start: [
      ...(isLookout ? [{ argv: ['systemd-sysusers', LOOKOUT_SYSUSERS.path] }] : []),
      systemctl('daemon-reload'),
      systemctl('enable', ...started),
      systemctl('restart', ...started), // one that runs already takes up its new text
    ],
  }
}

/** Where systemd finds the units of a user, or those of the computer (systemd.unit(5)). */
export function systemdFolder(world: World, scope: Scope): string {
  if (scope === 'system') return '/etc/systemd/system'
  return join(world.env.XDG_CONFIG_HOME ?? join(world.home, '.config'), 'systemd/user')
}

/** With all that it wrote. A key that a person gave to it stays in its folder, and so does the user who may read it. */
const REMOVE_LOOKOUT: readonly ManagerCommand[] = [
  ['rm', '-f', LOOKOUT.nudge, LOOKOUT.looked, LOOKOUT.blind, LOOKOUT.listen, LOOKOUT.brief],
  ['rmdir', '--ignore-fail-on-non-empty', dirname(LOOKOUT.brief), LOOKOUT.home],
  ['sh', '-c', `[ -e ${LOOKOUT.home} ] || userdel ${LOOKOUT.user}`],
].map((argv) => ({ argv, mayFail: true }))

/** Also of what a configuration of before had started. */
export function systemdRemoval(paths: Paths, scope: Scope): RemovalPlan {
  const systemctl = systemctlFor(scope)
  const isLookout = hasLookout(paths, scope)
  const polling = ['telec-watch.service', ...(isLookout ? ['telec-poll.service'] : [])]
  const own = (...units: string[]) => units.map((unit) => ownUnit(paths, unit))
  const stop = [
    ['disable', '--now', ...own(...STARTED_UNITS)],
    ...(isLookout ? [['disable', '--now', ...own(...POLL_UNITS)]] : []),
    ['disable', '--now', ...own(LISTENER)],
    ['stop', ...own(...polling)],
    // A failed unit would be listed long after its file is gone.
    ['reset-failed', ...own(...polling, 'telec-update.service')],
  ]
  return {
    stop: stop.map((args) => ({ ...systemctl(...args), mayFail: true })),
    forget: [systemctl('daemon-reload'), ...(isLookout ? REMOVE_LOOKOUT : [])],
  }
}

function systemctlFor(scope: Scope): (...args: string[]) => ManagerCommand {
  return (...args) => ({ argv: ['systemctl', `--${scope}`, ...args] })
}
