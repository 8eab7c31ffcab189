import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { type Paths, pathsOfHome, type Scope } from '../config/paths.ts'
import type { Config } from '../config/schema.ts'
import { loadConfig, type Service } from '../config/service.ts'
import { listServices, ownerInsteadOfRoot, shownName } from '../config/services.ts'
import { readInstalled } from '../state/installed.ts'
import { orNull, TelecError } from '../system/errors.ts'
import { listFolder, readPlainText, readText } from '../system/files.ts'
import { weakPlace } from '../system/trust.ts'
import type { World } from '../system/world.ts'
import { launchdFolder } from './launchd/manager.ts'
import { homeInPlist } from './launchd/plan.ts'
import { homeInUnit, systemdFolder } from './systemd/plan.ts'
import { ownUnit, unitName } from './systemd/systemctl.ts'

// The other services of this computer: those of the same scope, and those whose units are installed, of whatever home.

const SCOPES: readonly Scope[] = ['user', 'system']

export interface Other {
  readonly paths: Paths
  readonly config: Config
}

/** Those whose configuration can be read. */
export async function otherServices(world: World, own: Paths): Promise<Other[]> {
  const homes = new Set([...listServices(world).map(({ home }) => home), ...installedHomes(world)])
  const others = [...homes].filter((home) => !isSame(home, own.home)).map(pathsOfHome)
  // In system scope configurations are root's; a user's are not root's to read.
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
  for (const other of others) {
    const { checkout } = config.deployment
    if (isSame(checkout, other.config.deployment.checkout))
      throw new TelecError(
        'config',
        `${checkout} is the checkout of another service: ${whose(other.paths)}`,
        {
          hint: 'give each service a checkout of its own: git clone URL PATH',
        },
      )
    const theirs = unitsOf(other.config).map(({ unit }) => unit)
    const shared = unitsOf(config).find(({ unit }) => theirs.includes(unit))
    if (shared)
      throw new TelecError(
        'config',
        `${shared.name} is restarted by another service: ${whose(other.paths)}`,
        {
          hint: `set service.name in ${paths.config} to a unit that runs from ${checkout}`,
        },
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
      hint: `give this one a name, and with it units of its own: telec init --name NAME; or take that one away: TELEC_HOME=${other} telec uninstall ${shownName(paths)}`,
    })
  }
}

/** The home that a unit of telec's was written for, where that is another one and still has a configuration. */
export function foreignHome(path: string, own: string): string | null {
  const home = homeOf(path)
  return home !== null && !isSame(home, own) && existsSync(pathsOfHome(home).config) ? home : null
}

/** Whether systemd's units of this name are those of another home. */
export function areUnitsForeign({ world, paths }: Pick<Service, 'world' | 'paths'>, scope: Scope): boolean {
  const unit = join(systemdFolder(world, scope), ownUnit(paths, 'telec-update.service'))
  return foreignHome(unit, paths.home) !== null
}

/** Throws where units of telec 0.1 start the first service: they do not say which one, as they must beside another. */
export function verifyUnitsSayWhich(first: Paths): void {
  const texts = (readInstalled(first)?.files ?? []).map((path) => readText(path) ?? '')
  if (texts.every((text) => !text.includes('TELEC_HOME') || text.includes('TELEC_NAME'))) return
  throw new TelecError('config', `the units of the first service (${first.config}) are of an older telec`, {
    because: 'they do not say which service they are for',
    hint: 'bring them up to date, and do this again: telec install',
  })
}

/** Null, too, where that cannot be read: it is somebody's whose units one cannot write either. */
function homeOf(path: string): string | null {
  const text = textOf(path)
  if (text === null) return null
  return path.endsWith('.plist') ? homeInPlist(text) : homeInUnit(text)
}

function textOf(path: string): string | null {
  try {
    return readPlainText(path)
  } catch (error) {
    if (error instanceof TelecError) return null
    throw error
  }
}

/** The homes for which telec's units are installed on this computer, for this user and for the computer. */
function installedHomes(world: World): string[] {
  const folders = SCOPES.map((scope) =>
    world.platform === 'darwin' ? launchdFolder(world, scope) : systemdFolder(world, scope),
  )
  const own = folders.filter((folder) => !weakPlace(folder, true, world.uid)) // not those of a HOME that sudo -E kept
  return own.flatMap((folder) =>
    listFolder(folder)
      .filter((name) => /^telec-update([@.].+)?\.(service|plist)$/.test(name))
      .flatMap((name) => homeOf(join(folder, name)) ?? []),
  )
}

function whose({ home, config }: Paths): string {
  return home === config.replace(/\/config\.yml$/, '') ? home : `${home}, ${config}`
}

/** The units of a service as they are configured, and with what tells them from all others. */
function unitsOf({ service }: Config): { name: string; unit: string }[] {
  return (service?.names ?? []).map((name) => ({ name, unit: `${service?.scope} ${unitName(name)}` }))
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => (existsSync(path) ? realpathSync(path) : path))
  return a === b
}
