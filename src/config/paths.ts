import { join } from 'node:path'
import { listFolder, mayAccess } from '../system/files.ts'

/** Of one user, or of the whole computer. */
export type Scope = 'user' | 'system'

/** The files of telec's home. */
const FILES = {
  /** By what a poll can tell that nothing has changed; see src/watch/quiet.ts. */
  quiet: 'quiet',
  signal: 'update_signal.json',
  /** Touched with the signal, on a Mac, where launchd watches it: that one is there only while an update is asked for. */
  wake: 'update_signal.wake',
  updateState: 'update_state.json',
  watchState: 'watch_state.json',
  /** What the API that says what is published answered last. */
  releases: 'releases.json',
  migrationState: 'migration_state.json',
  /** What a run of migrations has recorded so far; taken into `migrationState` at its end. */
  migrationJournal: 'migration_state.journal',
  status: 'status.json',
  /** How the last updates ended. */
  history: 'history.json',
  pause: 'pause.json',
  /** Which versions a person pinned or held. */
  choices: 'choices.json',
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
  /** Touched: root's unit is to restart the service, which is another user's; those after the first are numbered. */
  restart: 'restart',
} as const

export type StateFile = keyof typeof FILES

/** Where telec keeps what it knows of one service: a value, made once per service. */
export interface Paths extends Readonly<Record<StateFile, string>> {
  /** `user`: below the home folder of one user; `system`: below /var/lib and /etc. */
  readonly scope: Scope
  /** Null: the first service of its scope, which has no name. */
  readonly name: string | null
  readonly home: string
  /** In system scope root's, as what was installed is. */
  readonly config: string
}

export const SYSTEM_HOME = '/var/lib/telec'
export const SYSTEM_CONFIG = '/etc/telec'
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
    // Root takes away what it names: in system scope nobody else may write it.
    ...(isSystem && {
      installed: join(
        SYSTEM_CONFIG,
        name === null ? FILES.installed : join(SERVICES, `${name}.${FILES.installed}`),
      ),
    }),
  }
}

/**
 * Where launchd's jobs write their logs: where people and Console.app look for them, and not in the home, where each line
 * would be a change. In system scope the owner of the checkout has the folder.
 */
export function logFolder({ scope, name }: Pick<Paths, 'scope' | 'name'>, userHome: string): string {
  const folder = scope === 'system' ? '/var/log/telec' : join(userHome, 'Library/Logs/telec')
  return name === null ? folder : `${folder}.${name}`
}

/** The paths of the service whose home this is: `FOLDER/services/NAME` is that of service NAME. */
export function pathsOfHome(home: string): Paths {
  const [, folder, name = ''] = /^(.+)\/services\/([^/]+)$/.exec(home) ?? []
  return folder && SERVICE_NAME.test(name) ? pathsOf(folder, name) : pathsOf(home, null)
}

/** The file that asks root to restart one of the service's units, by its place in `service.name`. */
export function restartRequest({ restart }: Paths, index: number): string {
  return index === 0 ? restart : `${restart}-${index + 1}`
}

/** What root's units for that one are called, without type and name. */
export function restartUnit(index: number): string {
  return index === 0 ? 'telec-restart' : `telec-restart-${index + 1}`
}

/** The names for which something lies where the configuration of such a service would be. */
export function namesIn(folder: string): string[] {
  const isSystem = folder === SYSTEM_HOME
  const services = join(isSystem ? SYSTEM_CONFIG : folder, SERVICES)
  if (isSystem && !mayAccess(services, 'read')) return [] // before a service of others was, only root might look
  const names = listFolder(services)
    .filter((name) => !isSystem || name.endsWith('.yml'))
    .map((name) => (isSystem ? name.slice(0, -'.yml'.length) : name))
  return names.filter((name) => SERVICE_NAME.test(name)).sort()
}
