import { existsSync, lstatSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { accountOf } from '../system/account.ts'
import { TelecError } from '../system/errors.ts'
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

/** Stands for the service without a name, where somebody has to say which one. */
export const UNNAMED = '-'

/** The services that are configured, the one without a name first. */
export function listServices(world: World): Paths[] {
  return servicesIn(folderOf(world))
}

/** Has all that is run from here on look for services in that scope alone. A home that was named is the user's. */
export function chooseScope({ env, home }: World, scope: Scope): void {
  if (scope === 'system') env.TELEC_HOME = SYSTEM_HOME
  else env.TELEC_HOME ||= userHome(home)
}

/**
 * The service that is meant, as `locateOfAnybody` finds it. Throws `usage` where root means that of another user: telec
 * never acts for somebody else, nor reads with more rights than theirs.
 */
export function locate(world: World): Paths {
  const paths = own(world, locateOfAnybody(world))
  if (paths.scope === 'system' && closedTo(paths)) throw noConfiguration(world, paths)
  return paths
}

/**
 * The service that is meant: `$TELEC_NAME`, where the command line's `--name` is, too; without it the only one that is
 * configured. Throws `usage` where that is not clear, and `config` where others could write there: whoever can decides
 * what telec runs, and as whom.
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
    const there = services.length === 0 ? 'none yet' : services.map(shownName).join(', ')
    throw new TelecError('usage', `there is no service named ${named}`, {
      hint: `configure it (telec init --name ${named}), or name one of those that there are: ${there}`,
    })
  }
  if (meant.length > 1)
    throw new TelecError('usage', `this computer has ${meant.length} services`, {
      because: `they are: ${meant.map(shownName).join(', ')}`,
      hint: `say which one: --name NAME${meant[0]?.name === null ? ` (${UNNAMED} is the one without a name)` : ''}`,
    })
  return trusted(world, paths)
}

/** Where a service is or would be, whether it is configured or not. Without a name the first one is meant. */
export function locateAny(world: World): Paths {
  const name = nameIn(world) ?? null
  return trusted(world, pathsOf(folderOf(world, name), name))
}

/** All services, where none is named, also those of others; else the one that is. Throws as `locate` does. */
export function locateAll(world: World): Paths[] {
  const services = nameIn(world) === undefined ? listServices(world) : []
  return services.length > 1 ? services.map((paths) => trusted(world, paths)) : [locate(world)]
}

/** Whose service it is, where telec is root and that is another user. Null: it is telec's own, or nobody's yet. */
export function ownerInsteadOfRoot({ uid }: World, { home, name }: Paths): string | null {
  if (uid !== 0) return null
  const owner = homeOwner({ home, name })
  return owner === 0 ? null : (accountOf(owner)?.name ?? `#${owner}`) // as sudo(8) takes an id
}

/** Whose home it is, or, before a named service has one, whose it will be: the one around it says so. */
function homeOwner({ home, name }: Pick<Paths, 'home' | 'name'>): number {
  const folders = [home, ...(name === null ? [] : [folderOfHome(home)])]
  const folder = folders.find(existsSync)
  return folder === undefined ? 0 : lstatSync(folder).uid
}

/** Throws `usage` where root means the service of another user, and `config` where its home could be somebody else's. */
export function own(world: World, paths: Paths): Paths {
  const owner = ownerInsteadOfRoot(world, paths)
  if (owner === null) {
    const isSystem = paths.scope === 'system'
    verifyPrivate(paths.home, isSystem, isSystem ? homeOwner(paths) : world.uid)
    // What git reads in the home of somebody else, which sudo -E keeps, can name commands.
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

/** The same command by somebody else; what writes units is root's. */
function asUser({ program }: World, user: string, more: readonly string[] = []): string {
  const isOfRoot = /^(un)?install$/.test(program.args.find((word) => !word.startsWith('-')) ?? '')
  return `sudo ${isOfRoot ? '' : `-u ${user} `}${[program.name, ...program.args, ...more].join(' ')}`
}

/** What of a service this user may not read, if anything. */
function closedTo({ config, home }: Paths): string | undefined {
  return [config, home].find((path) => existsSync(path) && !mayAccess(path, 'read'))
}

/** There is no configuration that this user may read: says whose the computer's services are. */
export function noConfiguration(world: World, paths: Paths): TelecError {
  const isSystem = paths.scope === 'system'
  const init = commandFor(paths, `telec init ${isSystem ? '--system ' : ''}--checkout PATH`)
  const hint = `write one with: ${init}`
  // Whoever asks for a home, or for the services of a user, does not ask for those of the computer.
  const names = isSystem || !world.env.TELEC_HOME ? [null, ...namesIn(SYSTEM_HOME)] : []
  const ofOthers = names.map((name) => pathsOf(SYSTEM_HOME, name)).filter(closedTo)
  const [meant] = ofOthers.filter(({ config }) => config === paths.config)
  const owners = (meant ? [meant] : ofOthers).map(
    ({ home }) => accountOf(wayTo(home).at(-1)?.uid ?? 0)?.name ?? 'OWNER',
  )
  const [owner] = owners
  if (owner === undefined)
    return new TelecError('config', `there is no configuration: ${paths.config} does not exist`, { hint })
  const what = meant ? `may not read ${closedTo(meant)}` : 'has no configuration of their own'
  return new TelecError('config', `${world.user()} ${what}`, {
    because: `what this computer has in ${SYSTEM_CONFIG} is for: ${[...new Set(owners)].join(', ')}`,
    hint: meant ? asUser(world, owner) : `${asUser(world, owner)}; or ${hint}`,
  })
}

/** A command of telec's that a person can paste, for this service. */
export function commandFor(
  { name, scope }: Pick<Paths, 'name'> & Partial<Pick<Paths, 'scope'>>,
  command: string,
): string {
  const isOfRoot = scope === 'system' && /^telec (init|install|uninstall)/.test(command)
  return `${isOfRoot ? 'sudo ' : ''}${command}${name === null ? '' : ` --name ${name}`}`
}

/** telec's commands in a text for people, meaning the service that this program was asked for, and not any other. */
export function asAsked({ env, program }: World, text: string): string {
  const scope = program.args.find((arg) => arg === '--user' || arg === '--system')
  const said = [env.TELEC_NAME ? `--name ${env.TELEC_NAME}` : [], scope ?? []].flat()
  return said.length === 0 ? text : text.replace(COMMANDS, (command) => [command, ...said].join(' '))
}

/** As hints name them, and not as sentences name programs: `telec-update goes on`. One that was typed, or names its service, has it already. */
const COMMANDS =
  /(?<!sudo -u \S+ )\btelec(?:-(?:update|watch|migrate)(?= rollback| -|[;,)]|$)| (?:status|doctor|repair|logs|history|pause|resume|(?:un)?pin|(?:un)?hold|rollback|update|watch|(?:un)?install)\b)(?![^;,()\n]* --(?:name|user|system)\b)/gm

/**
 * The home of the service without a name, in which that of a named one lies in system scope; null: it lies in folders of
 * root's. Who has the outer one can put a link in the place of the inner one, so root, and systemd for it, makes none there.
 */
export function outerHome({ scope, name }: Paths): string | null {
  const outer = pathsOf(SYSTEM_HOME, null)
  return scope === 'system' && name !== null && existsSync(outer.config) ? outer.home : null
}

/** The name of a service for people. */
export function shownName({ name }: Paths): string {
  return name ?? UNNAMED
}

/** In system scope what root goes by is root's; a user's home is that user's, whoever asks (sudo -E keeps HOME). */
function trusted(world: World, paths: Paths): Paths {
  const isSystem = paths.scope === 'system'
  if (!isSystem) own(world, paths)
  verifyPrivate(paths.config, true, isSystem ? 0 : world.uid)
  return paths
}

/** Undefined: nobody said which. Null: the one without a name. A home that is a named service's says which, too. */
function nameIn({ env, cwd }: World): string | null | undefined {
  const given = env.TELEC_NAME || (env.TELEC_HOME && pathsOfHome(resolve(cwd, env.TELEC_HOME)).name)
  if (!given) return undefined
  if (!isServiceName(given))
    throw new TelecError('usage', `TELEC_NAME is ${given}`, { hint: `it takes ${NAME_FORM}` })
  return given === UNNAMED ? null : given
}

/** Whether this can say which service is meant. */
export function isServiceName(text: string): boolean {
  return text === UNNAMED || SERVICE_NAME.test(text)
}

export const NAME_FORM = `a name of at most 32 letters, digits, dashes and underscores, or ${UNNAMED} for the service without one`

/**
 * The folder that holds the services. `$TELEC_HOME` decides; without it the user's own, or the computer's where that alone has the
 * service, or any that the user may read.
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

/** The folder of the scope that a home belongs to. */
function folderOfHome(home: string): string {
  return pathsOfHome(home).name === null ? home : dirname(dirname(home))
}

function servicesIn(folder: string): Paths[] {
  return (
    [null, ...namesIn(folder)]
      .map((name) => pathsOf(folder, name))
      // Of the computer's services those of others are nobody's business.
      .filter(({ config }) => (folder === SYSTEM_HOME ? mayAccess(config, 'read') : existsSync(config)))
  )
}
