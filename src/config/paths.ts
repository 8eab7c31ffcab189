import { join } from 'node:path'
import { listFolder } from '../system/files.ts'

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

export type StateFile = keyof typeof FILES

/** Where telec keeps what it knows of one service: a value, made once per service. */
export interface Paths extends Readonly<Record<StateFile, string>> {
  /** `user`: below the home folder of one user; `system`: below /var/lib and /etc. */
  readonly scope: Scope
  /** Null: the first service of its scope, which has no name. */
  readonly name: string | null
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

/** There is one lookout, that of the service without a name. */
export function hasLookout({ name }: Paths, scope: Scope): boolean {
  return scope === 'system' && name === null
}

export const SYSTEM_HOME = '/var/lib/telec'
const SYSTEM_CONFIG = '/etc/telec'
const SERVICES = 'services'

/** What a service can be called: part of the names of folders, units and keys in Redis. */
export const SERVICE_NAME = /^\w[\w-]{0,31}$/

/** The paths of a service, by the folder of its scope: the home of the service without a name, which holds the others. */
export function pathsOf(folder: string, name: string | null): Paths {
  const isSystem = folder === SYSTEM_HOME
  const home = name === null ? folder : join(folder, SERVICES, name)
  const inSystem = name === null ? 'config.yml' : join(SERVICES, `${name}.yml`)
  const config = isSystem ? join(SYSTEM_CONFIG, inSystem) : join(home, 'config.yml')
  const files = Object.entries(FILES).map(([key, file]) => [key, join(home, file)])
  return {
    scope: isSystem ? 'system' : 'user',
    name,
    home,
    config,
    ...(Object.fromEntries(files) as Record<StateFile, string>),
  }
}

/** The paths of the service whose home this is: `FOLDER/services/NAME` is that of service NAME. */
export function pathsOfHome(home: string): Paths {
  const [, folder, name = ''] = /^(.+)\/services\/([^/]+)$/.exec(home) ?? []
  return folder && SERVICE_NAME.test(name) ? pathsOf(folder, name) : pathsOf(home, null)
}

/** The names for which something lies where the configuration of such a service would be. */
export function namesIn(folder: string): string[] {
  const isSystem = folder === SYSTEM_HOME
  const names = listFolder(join(isSystem ? SYSTEM_CONFIG : folder, SERVICES))
    .filter((name) => !isSystem || name.endsWith('.yml'))
    .map((name) => (isSystem ? name.slice(0, -'.yml'.length) : name))
  return names.filter((name) => SERVICE_NAME.test(name)).sort()
}
