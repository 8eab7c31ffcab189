import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Paths, pathsOfHome, type Scope } from '../config/paths.ts'
import type { Config } from '../config/schema.ts'
import { loadConfig, type Service } from '../config/service.ts'
import { listServices, ownerInsteadOfRoot, shownName } from '../config/services.ts'
import { readInstalled } from '../state/installed.ts'
import { orNull, shellWord, TelecError } from '../system/errors.ts'
import { listFolder, readPlainText, readText } from '../system/files.ts'
import { isSamePlace } from '../system/places.ts'
import { weakPlace } from '../system/trust.ts'
import type { World } from '../system/world.ts'
import { launchdFolder } from './launchd/manager.ts'
import { homeInPlist } from './launchd/plan.ts'
import { homeInUnit, systemdFolder } from './systemd/plan.ts'
import { ownUnit, unitName } from './systemd/systemctl.ts'

// The other services of this computer: those of the same scope, and those with installed units, in any home.

export interface Other {
  readonly paths: Paths
  readonly config: Config
}

/** Those whose configuration can be read. */
export async function otherServices(world: World, own: Paths): Promise<Other[]> {
  const homes = new Set([...listServices(world).map(({ home }) => home), ...installedHomes(world)])
  const others = [...homes].filter((home) => !isSamePlace(home, own.home)).map(pathsOfHome)
  // Root owns the configurations of the system scope, and does not read those of users.
  const readable = others.filter(
    (paths) => paths.scope === 'system' || ownerInsteadOfRoot(world, paths) === null,
  )
  const read = async (paths: Paths) => {
    const config = await orNull(() => loadConfig(world, paths))
    return config ? [{ paths, config }] : []
  }
  return (await Promise.all(readable.map(read))).flat()
}

/** Throws where another service of this computer has the same checkout, or the same unit. */
export function verifyNothingShared(
  { paths, config }: Omit<Service, 'world'>,
  others: readonly Other[],
): void {
  const { checkout } = config.deployment
  for (const other of others) {
    if (isSamePlace(checkout, other.config.deployment.checkout))
      throw new TelecError(
        'config',
        `${checkout} is the checkout of another service: ${whose(other.paths)}`,
        { hint: 'give each service a checkout of its own: git clone URL PATH' },
      )
    const theirs = unitsOf(other.config).map(({ unit }) => unit)
    const shared = unitsOf(config).find(({ unit }) => theirs.includes(unit))
    if (shared)
      throw new TelecError(
        'config',
        `${shared.name} is restarted by another service: ${whose(other.paths)}`,
        { hint: `set service.name in ${paths.config} to a unit that runs from ${checkout}` },
      )
  }
}

/** Throws where one of these files is a unit of another home that is still configured. */
export function verifyUnitsOwn({ home }: Paths, files: readonly string[]): void {
  for (const path of files) {
    const other = foreignHome(path, home)
    if (other === null) continue
    const paths = pathsOfHome(other)
    throw new TelecError('config', `${path} belongs to another service: ${whose(paths)}`, {
      hint: `give this one a name: telec init --name NAME; or remove that one: TELEC_HOME=${shellWord(other)} telec uninstall ${shownName(paths)}`,
    })
  }
}

/** The home in a unit of telec's, if it is another one that is still configured. */
export function foreignHome(path: string, own: string): string | null {
  const home = homeOf(path)
  return home !== null && !isSamePlace(home, own) && existsSync(pathsOfHome(home).config) ? home : null
}

/** Whether systemd's units of this name belong to another home. */
export function areUnitsForeign({ world, paths }: Pick<Service, 'world' | 'paths'>, scope: Scope): boolean {
  const unit = join(systemdFolder(world, scope), ownUnit(paths, 'telec-update.service'))
  return foreignHome(unit, paths.home) !== null
}

/** Throws where the units of the first service do not name it, as those of telec 0.1: beside another they must. */
export function verifyUnitsSayWhich(first: Paths): void {
  const texts = (readInstalled(first)?.files ?? []).map((path) => readText(path) ?? '')
  if (texts.every((text) => !text.includes('TELEC_HOME') || text.includes('TELEC_NAME'))) return
  throw new TelecError('config', `the units of the first service (${first.config}) are of an older telec`, {
    because: 'they do not name their service',
    hint: 'install them again, and then retry this: telec install',
  })
}

/** Null also where the unit cannot be read: it belongs to another user. */
function homeOf(path: string): string | null {
  try {
    const text = readPlainText(path) ?? ''
    return path.endsWith('.plist') ? homeInPlist(text) : homeInUnit(text)
  } catch (error) {
    if (error instanceof TelecError) return null
    throw error
  }
}

/** The homes whose units are installed for this user, or for the computer. */
function installedHomes(world: World): string[] {
  const folderOf = world.platform === 'darwin' ? launchdFolder : systemdFolder
  const folders = (['user', 'system'] as const).map((scope) => folderOf(world, scope))
  const own = folders.filter((folder) => !weakPlace(folder, true, world.uid)) // sudo -E keeps the HOME of a user
  return own.flatMap((folder) =>
    listFolder(folder)
      .filter((name) => /^telec-update([@.].+)?\.(service|plist)$/.test(name))
      .flatMap((name) => homeOf(join(folder, name)) ?? []),
  )
}

function whose({ home, config }: Paths): string {
  return home === config.replace(/\/config\.yml$/, '') ? home : `${home}, ${config}`
}

/** The configured units of a service, as `name` has them and as no other unit is called. */
function unitsOf({ service }: Config): { name: string; unit: string }[] {
  return (service?.names ?? []).map((name) => ({ name, unit: `${service?.scope} ${unitName(name)}` }))
}
