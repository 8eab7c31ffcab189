import { existsSync, lstatSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { accountOf } from '../system/account.ts'
import { shellWord, TelecError } from '../system/errors.ts'
import { mayAccess } from '../system/files.ts'
import { verifyPrivate, wayTo } from '../system/trust.ts'
import type { World } from '../system/world.ts'
import {
  namesIn,
  type Paths,
  pathsOf,
  pathsOfHome,
  type Scope,
  SERVICE_NAME,
  SYSTEM_CONFIG,
  SYSTEM_HOME,
} from './paths.ts'

/** Stands for the service without a name on a command line. */
export const UNNAMED = '-'

/** The configured services; the one without a name is the first. */
export function listServices(world: World): Paths[] {
  return servicesIn(folderOf(world))
}

/** Limits this process to services of one scope. `$TELEC_HOME` is a home of the user's. */
export function chooseScope({ env, home }: World, scope: Scope): void {
  if (scope === 'system') env.TELEC_HOME = SYSTEM_HOME
  else env.TELEC_HOME ||= userHome(home)
}

/** As `locateOfAnybody`. Throws `usage` if root asks for another user's service: telec never uses more rights than its owner has. */
export function locate(world: World): Paths {
  const paths = own(world, locateOfAnybody(world))
  if (paths.scope === 'system' && closedTo(paths)) throw noConfiguration(world, paths)
  return paths
}

/**
 * The service that `$TELEC_NAME` or `--name` names; without a name the only configured one. Throws `usage` if that is
 * ambiguous, and `config` if others can write its files: they would decide what telec runs, and as which user.
 */
export function locateOfAnybody(world: World): Paths {
  const named = nameIn(world)
  const folder = folderOf(world, named)
  const services = servicesIn(folder)
  const meant = services.filter(({ name }) => named === undefined || name === named)
  const [paths = pathsOf(folder, named ?? null)] = meant
  if (meant.length === 0 && named && !existsSync(paths.home)) {
    const ofComputer = pathsOf(SYSTEM_HOME, named)
    if ((folder === SYSTEM_HOME || !world.env.TELEC_HOME) && closedTo(ofComputer))
      throw noConfiguration(world, ofComputer)
    const configured = services.map(shownName).join(', ') || 'none'
    throw new TelecError('usage', `no service has the name ${named}`, {
      because: `configured services: ${configured}`,
      hint: `create it: telec init --name ${named}`,
    })
  }
  if (meant.length > 1)
    throw new TelecError('usage', `this computer has ${meant.length} services`, {
      because: meant.map(shownName).join(', '),
      hint: `choose one: --name NAME${meant[0]?.name === null ? ` (${UNNAMED} has no name)` : ''}`,
    })
  return trusted(world, paths)
}

/** As `locate`, also for a service that is not configured; without a name the one that has none. */
export function locateAny(world: World): Paths {
  const name = nameIn(world) ?? null
  return trusted(world, pathsOf(folderOf(world, name), name))
}

/** The named service; without a name all, also those of other users. Throws as `locate` does. */
export function locateAll(world: World): Paths[] {
  const services = nameIn(world) === undefined ? listServices(world) : []
  return services.length > 1 ? services.map((paths) => trusted(world, paths)) : [locate(world)]
}

/** The other user who owns a service, if telec runs as root. Null: it belongs to root, or nobody yet. */
export function ownerInsteadOfRoot({ uid }: World, { home, name }: Paths): string | null {
  if (uid !== 0) return null
  const owner = homeOwner({ home, name })
  return owner === 0 ? null : (accountOf(owner)?.name ?? `#${owner}`) // as sudo(8) takes an id
}

/** The owner of a home. A named service without one will have the owner of the folder around it. */
function homeOwner({ home, name }: Pick<Paths, 'home' | 'name'>): number {
  const folders = [home, ...(name === null ? [] : [folderOfHome(home)])]
  const folder = folders.find(existsSync)
  return folder === undefined ? 0 : lstatSync(folder).uid
}

/** Throws `usage` if root asks for another user's service, and `config` if others can change its home. */
export function own(world: World, paths: Paths): Paths {
  const owner = ownerInsteadOfRoot(world, paths)
  if (owner === null) {
    const isSystem = paths.scope === 'system'
    verifyPrivate(paths.home, isSystem, isSystem ? homeOwner(paths) : world.uid)
    // git's configuration can name commands, and sudo -E keeps the home of another user.
    for (const folder of [world.home, world.env.XDG_CONFIG_HOME]) if (folder) verifyPrivate(folder, true)
    return paths
  }
  const named = paths.name === null || world.program.args.includes(paths.name) ? [] : ['--name', paths.name]
  throw new TelecError(
    'usage',
    `${paths.home} belongs to ${owner}, and telec does not act for others as root`,
    { hint: asUser(world, owner, named) },
  )
}

/** The same command, for its user; root installs units. */
function asUser({ program }: World, user: string, more: readonly string[] = []): string {
  const isOfRoot = /^(un)?install$/.test(program.args.find((word) => !word.startsWith('-')) ?? '')
  return `sudo ${isOfRoot ? '' : `-u ${shellWord(user)} `}${[program.name, ...program.args, ...more].map(shellWord).join(' ')}`
}

/** A file of a service that this user may not read. */
function closedTo({ config, home }: Paths): string | undefined {
  return [config, home].find((path) => existsSync(path) && !mayAccess(path, 'read'))
}

/** The error without a readable configuration: it names the owners of the computer's services. */
export function noConfiguration(world: World, paths: Paths): TelecError {
  const isSystem = paths.scope === 'system'
  const init = commandFor(paths, `telec init ${isSystem ? '--system ' : ''}--checkout PATH`)
  const hint = `create it: ${init}`
  // With a home, or --user, the user does not ask for the services of the computer.
  const names = isSystem || !world.env.TELEC_HOME ? [null, ...namesIn(SYSTEM_HOME)] : []
  const ofOthers = names.map((name) => pathsOf(SYSTEM_HOME, name)).filter(closedTo)
  const ofUser = ofOthers.find(({ home }) => wayTo(home).at(-1)?.uid === world.uid)
  if (ofUser)
    return new TelecError('config', `${world.user()} may not read ${closedTo(ofUser)}`, {
      hint: `let this user read it: ${commandFor(ofUser, 'telec install')}`,
    })
  const [meant] = ofOthers.filter(({ config }) => config === paths.config)
  const owners = (meant ? [meant] : ofOthers).map(
    ({ home }) => accountOf(wayTo(home).at(-1)?.uid ?? 0)?.name ?? 'OWNER',
  )
  const [owner] = owners
  if (owner === undefined)
    return new TelecError('config', `no configuration: ${paths.config} does not exist`, { hint })
  const what = meant ? `may not read ${closedTo(meant)}` : 'has no configuration'
  return new TelecError('config', `${world.user()} ${what}`, {
    because: `the services in ${SYSTEM_CONFIG} belong to: ${[...new Set(owners)].join(', ')}`,
    hint: meant ? asUser(world, owner) : `${asUser(world, owner)}; or ${hint}`,
  })
}

/** A command to paste, for this service. */
export function commandFor(
  { name, scope }: Pick<Paths, 'name'> & Partial<Pick<Paths, 'scope'>>,
  command: string,
): string {
  const isOfRoot = scope === 'system' && /^telec (init|install|uninstall)/.test(command)
  return `${isOfRoot ? 'sudo ' : ''}${command}${name === null ? '' : ` --name ${name}`}`
}

/** Adds the name and scope of this program's command line to the commands in a message. */
export function asAsked({ env, program }: World, text: string): string {
  const scope = program.args.find((arg) => arg === '--user' || arg === '--system')
  const said = [env.TELEC_NAME ? `--name ${env.TELEC_NAME}` : [], scope ?? []].flat()
  return said.length === 0 ? text : text.replace(COMMANDS, (command) => [command, ...said].join(' '))
}

/** Commands in a hint. Not programs in a sentence (`telec-update resumes`), and not commands with a name or after sudo. */
const COMMANDS =
  /(?<!sudo -u \S+ )\btelec(?:-(?:update|watch|migrate)(?= rollback| -|[;,)]|$)| (?:status|doctor|repair|logs|history|pause|resume|(?:un)?pin|(?:un)?hold|rollback|update|watch|(?:un)?install)\b)(?![^;,()\n]* --(?:name|user|system)\b)/gm

/**
 * In system scope, the home around that of a named service; null: only root owns folders around it. The outer home's owner
 * can replace the inner one by a link, so neither root nor systemd may create it.
 */
export function outerHome({ scope, name }: Paths): string | null {
  const outer = pathsOf(SYSTEM_HOME, null)
  return scope === 'system' && name !== null && existsSync(outer.config) ? outer.home : null
}

export function shownName({ name }: Paths): string {
  return name ?? UNNAMED
}

/** In system scope root must own the configuration; a user must own their home (sudo -E keeps HOME). */
function trusted(world: World, paths: Paths): Paths {
  const isSystem = paths.scope === 'system'
  if (!isSystem) own(world, paths)
  verifyPrivate(paths.config, true, isSystem ? 0 : world.uid)
  return paths
}

/** From `$TELEC_NAME` or `$TELEC_HOME`. Undefined: not given. Null: the service without a name. */
function nameIn({ env, cwd }: World): string | null | undefined {
  const given = env.TELEC_NAME || (env.TELEC_HOME && pathsOfHome(resolve(cwd, env.TELEC_HOME)).name)
  if (!given) return undefined
  if (!isServiceName(given))
    throw new TelecError('usage', `TELEC_NAME is invalid: ${given}`, { hint: `set ${NAME_FORM}` })
  return given === UNNAMED ? null : given
}

export function isServiceName(text: string): boolean {
  return text === UNNAMED || SERVICE_NAME.test(text)
}

export const NAME_FORM = `a name of at most 32 letters, digits, dashes and underscores, or ${UNNAMED} for the service without one`

/**
 * The folder of the services: `$TELEC_HOME`, else the first of the user's and the computer's with a service of that name,
 * else the first with any service that the user may read.
 */
function folderOf({ env, cwd, home }: World, name?: string | null): string {
  if (env.TELEC_HOME) return folderOfHome(resolve(cwd, env.TELEC_HOME))
  const user = userHome(home)
  const folders = [user, SYSTEM_HOME].map((folder) => ({ folder, services: servicesIn(folder) }))
  const found =
    folders.find(({ services }) => services.some((one) => one.name === name)) ??
    folders.find(({ services }) => services.length > 0)
  return found?.folder ?? user
}

function userHome(home: string): string {
  return join(home, '.teleclaude')
}

function folderOfHome(home: string): string {
  return pathsOfHome(home).name === null ? home : dirname(dirname(home))
}

function servicesIn(folder: string): Paths[] {
  return (
    [null, ...namesIn(folder)]
      .map((name) => pathsOf(folder, name))
      // Not the computer's services of other users.
      .filter(({ config }) => (folder === SYSTEM_HOME ? mayAccess(config, 'read') : existsSync(config)))
  )
}
