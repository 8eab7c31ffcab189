import { join, resolve } from 'node:path'
import { readText } from '../system/files.ts'
import { verifyPrivate } from '../system/trust.ts'
import type { World } from '../system/world.ts'

/** Of one user, or of the whole computer. */
export type Scope = 'user' | 'system'

/** Where telec keeps what it knows: a value, made once per program. */
export interface Paths {
  /** `user`: below the home folder of one user; `system`: below /var/lib and /etc. */
  readonly scope: Scope
  readonly home: string
  readonly config: string
  /** By what a poll can tell that nothing has changed; see src/watch/quiet.ts. */
  readonly quiet: string
  readonly signal: string
  readonly updateState: string
  readonly watchState: string
  /** What GitHub answered last. */
  readonly releases: string
  readonly migrationState: string
  /** What a run of migrations has recorded so far; taken into `migrationState` at its end. */
  readonly migrationJournal: string
  readonly status: string
  /** How the last updates ended. */
  readonly history: string
  /** Where updates are paused. */
  readonly pause: string
  /** What a person asked for, on its way to telec-update's unit. */
  readonly request: string
  /** How this computer stands with Redis. */
  readonly redis: string
  /** How far the announcements were read. */
  readonly listen: string
  /** Which units were installed. */
  readonly installed: string
  readonly lock: string
  /** What `telec run` supervises right now. */
  readonly supervisor: string
}

/**
 * Where root's polls and the lookout, which has no rights, meet: systemd, system scope. The units name them, too. Neither
 * reads what it should not: the lookout not telec's home, and root nothing of what the lookout writes but its times.
 */
export const LOOKOUT = {
  user: 'telec-watch',
  /** What it is told, by root. */
  brief: '/run/telec/brief.json',
  /** Its own folder, and all that it writes there. */
  home: '/var/lib/telec-watch',
  /** Touched: somebody has to poll. */
  nudge: '/var/lib/telec-watch/nudge',
  /** Touched: it asked the remote, and nothing has changed. */
  looked: '/var/lib/telec-watch/looked',
  /** Touched: it could not ask the remote by itself. */
  blind: '/var/lib/telec-watch/blind',
  /** How far its listener has read. */
  listen: '/var/lib/telec-watch/listen.json',
} as const

const SYSTEM_HOME = '/var/lib/telec'
const SYSTEM_CONFIG = '/etc/telec/config.yml'

/**
 * `$TELEC_HOME` decides; without it root gets the system scope once that is configured, and everybody else
 * `~/.teleclaude`. `scope` asks for one of them, whatever is configured. Throws a TelecError of kind `config` where
 * others could write there: whoever can decides what telec runs, and as whom.
 */
export function locate(world: World, scope?: Scope): Paths {
  const paths = choose(world, scope)
  verifyPrivate(paths.home, paths.scope === 'system')
  verifyPrivate(paths.config, true)
  return paths
}

function choose(world: World, scope?: Scope): Paths {
  const { TELEC_HOME } = world.env
  if (scope === 'system' || (TELEC_HOME && resolve(world.cwd, TELEC_HOME) === SYSTEM_HOME))
    return pathsIn('system', SYSTEM_HOME, SYSTEM_CONFIG)
  if (TELEC_HOME) return userPaths(resolve(world.cwd, TELEC_HOME))
  const user = userPaths(join(world.home, '.teleclaude'))
  if (
    scope === undefined &&
    world.uid === 0 &&
    readText(user.config) === null &&
    readText(SYSTEM_CONFIG) !== null
  )
    return pathsIn('system', SYSTEM_HOME, SYSTEM_CONFIG)
  return user
}

function userPaths(home: string): Paths {
  return pathsIn('user', home, join(home, 'config.yml'))
}

function pathsIn(scope: Scope, home: string, config: string): Paths {
  return {
    scope,
    home,
    config,
    quiet: join(home, 'quiet'),
    signal: join(home, 'update_signal.json'),
    updateState: join(home, 'update_state.json'),
    watchState: join(home, 'watch_state.json'),
    releases: join(home, 'releases.json'),
    migrationState: join(home, 'migration_state.json'),
    migrationJournal: join(home, 'migration_state.journal'),
    status: join(home, 'status.json'),
    history: join(home, 'history.json'),
    pause: join(home, 'pause.json'),
    request: join(home, 'update_request.json'),
    redis: join(home, 'redis.json'),
    listen: join(home, 'listen.json'),
    installed: join(home, 'installed.json'),
    lock: join(home, 'telec.lock'),
    supervisor: join(home, 'supervisor.json'),
  }
}
