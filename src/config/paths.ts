import { join } from 'node:path'
import { listFolder, mayAccess } from '../system/files.ts'

export type Scope = 'user' | 'system'

/** The files of telec's home. */
const FILES = {
  /** Shows a poll that nothing has changed; see src/watch/quiet.ts. */
  quiet: 'quiet',
  signal: 'update_signal.json',
  /** launchd watches it: touched with the signal, which does not always exist. */
  wake: 'update_signal.wake',
  updateState: 'update_state.json',
  watchState: 'watch_state.json',
  /** The last answer of the API of releases. */
  releases: 'releases.json',
  migrationState: 'migration_state.json',
  /** What a run of migrations has recorded so far. Its end writes it into `migrationState`. */
  migrationJournal: 'migration_state.journal',
  status: 'status.json',
  /** How the last updates ended. */
  history: 'history.json',
  pause: 'pause.json',
  /** The versions that the user pinned or held. */
  choices: 'choices.json',
  /** What the user asks of the unit of telec-update. */
  request: 'update_request.json',
  /** What Redis has of this computer. */
  redis: 'redis.json',
  /** The last announcement that was read. */
  listen: 'listen.json',
  /** The installed units. */
  installed: 'installed.json',
  lock: 'telec.lock',
  /** What `telec run` supervises right now. */
  supervisor: 'supervisor.json',
  /** Touched to have root restart the service of another user; the second unit has `restart-2`. */
  restart: 'restart',
} as const

export type StateFile = keyof typeof FILES

/** Where telec keeps the files of one service. */
export interface Paths extends Readonly<Record<StateFile, string>> {
  /** `user`: below the user's home folder; `system`: below /var/lib and /etc. */
  readonly scope: Scope
  /** Null: the service without a name. */
  readonly name: string | null
  readonly home: string
  /** In system scope it belongs to root, and so does `installed`. */
  readonly config: string
}

export const SYSTEM_HOME = '/var/lib/telec'
export const SYSTEM_CONFIG = '/etc/telec'
const SERVICES = 'services'

/** Part of the names of folders, units and keys in Redis. */
export const SERVICE_NAME = /^\w[\w-]{0,31}$/

/** @param folder the home of the service without a name, which contains the homes of the others. */
export function pathsOf(folder: string, name: string | null): Paths {
  const isSystem = folder === SYSTEM_HOME
  const home = name === null ? folder : join(folder, SERVICES, name)
  const inEtc = (file: string, ofNamed: string) =>
    join(SYSTEM_CONFIG, name === null ? file : join(SERVICES, ofNamed))
  const files = Object.entries(FILES).map(([key, file]) => [key, join(home, file)])
  return {
    scope: isSystem ? 'system' : 'user',
    name,
    home,
    config: isSystem ? inEtc('config.yml', `${name}.yml`) : join(home, 'config.yml'),
    ...(Object.fromEntries(files) as Record<StateFile, string>),
    // Root removes the files that it lists: only root may write it.
    ...(isSystem && { installed: inEtc(FILES.installed, `${name}.${FILES.installed}`) }),
  }
}

/** Where launchd's jobs write their logs, and Console.app finds them. In the home each line would end a quiet poll. */
export function logFolder({ scope, name }: Pick<Paths, 'scope' | 'name'>, userHome: string): string {
  const folder = scope === 'system' ? '/var/log/telec' : join(userHome, 'Library/Logs/telec')
  return name === null ? folder : `${folder}.${name}`
}

/** The paths of a service by its home: `FOLDER/services/NAME` belongs to the service NAME. */
export function pathsOfHome(home: string): Paths {
  const [, folder, name = ''] = /^(.+)\/services\/([^/]+)$/.exec(home) ?? []
  return folder && SERVICE_NAME.test(name) ? pathsOf(folder, name) : pathsOf(home, null)
}

/** The file that has root restart a unit of the service. @param index of the unit in `service.name`. */
export function restartRequest({ restart }: Paths, index: number): string {
  return index === 0 ? restart : `${restart}-${index + 1}`
}

/** The name of root's units for that restart, without type and name of the service. */
export function restartUnit(index: number): string {
  return index === 0 ? 'telec-restart' : `telec-restart-${index + 1}`
}

/** The named services in a folder, with or without a configuration. */
export function namesIn(folder: string): string[] {
  const isSystem = folder === SYSTEM_HOME
  const services = join(isSystem ? SYSTEM_CONFIG : folder, SERVICES)
  if (isSystem && !mayAccess(services, 'read')) return [] // older folders are readable for root alone
  const names = listFolder(services)
    .filter((name) => !isSystem || name.endsWith('.yml'))
    .map((name) => (isSystem ? name.slice(0, -'.yml'.length) : name))
  return names.filter((name) => SERVICE_NAME.test(name)).sort()
}
