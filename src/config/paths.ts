import { join, resolve } from 'node:path'
import { readText } from '../system/files.ts'
import { verifyPrivate } from '../system/trust.ts'
import type { World } from '../system/world.ts'

/** Of one user, or of the whole computer. */
export type Scope = 'user' | 'system'

/** The files of telec's home. */
const FILES = {
  /** By what a poll can tell that nothing has changed; see src/watch/quiet.ts. */
  quiet: 'quiet',
  signal: 'update_signal.json',
  updateState: 'update_state.json',
  watchState: 'watch_state.json',
  /** What GitHub answered last. */
  releases: 'releases.json',
  migrationState: 'migration_state.json',
  /** What a run of migrations has recorded so far; taken into `migrationState` at its end. */
  migrationJournal: 'migration_state.journal',
  status: 'status.json',
  /** How the last updates ended. */
  history: 'history.json',
  pause: 'pause.json',
  /** What a person asked for, on its way to telec-update's unit. */
  request: 'update_request.json',
  /** How this computer stands with Redis. */
  redis: 'redis.json',
  /** How far the announcements were read. */
  listen: 'listen.json',
  /** Which units were installed. */
  installed: 'installed.json',
  lock: 'telec.lock',
  /** What `telec run` supervises right now. */
  supervisor: 'supervisor.json',
} as const

/** Where telec keeps what it knows: a value, made once per program. */
export interface Paths extends Readonly<Record<keyof typeof FILES, string>> {
  /** `user`: below the home folder of one user; `system`: below /var/lib and /etc. */
  readonly scope: Scope
  readonly home: string
  readonly config: string
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

function choose({ env, cwd, home, uid }: World, scope?: Scope): Paths {
  const named = env.TELEC_HOME ? resolve(cwd, env.TELEC_HOME) : null
  const system = pathsIn('system', SYSTEM_HOME, '/etc/telec/config.yml')
  if (scope === 'system' || named === SYSTEM_HOME) return system
  const folder = named ?? join(home, '.teleclaude')
  const user = pathsIn('user', folder, join(folder, 'config.yml'))
  if (named !== null || scope !== undefined || uid !== 0 || readText(user.config) !== null) return user
  return readText(system.config) === null ? user : system
}

function pathsIn(scope: Scope, home: string, config: string): Paths {
  const files = Object.entries(FILES).map(([key, name]) => [key, join(home, name)])
  return { scope, home, config, ...(Object.fromEntries(files) as Record<keyof typeof FILES, string>) }
}
