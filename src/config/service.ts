import { realpathSync } from 'node:fs'
import { createSync } from '../system/disks.ts'
import { TelecError } from '../system/errors.ts'
import { mayAccess, readBeginning } from '../system/files.ts'
import { withoutLogins } from '../system/logins.ts'
import { rotateLog } from '../system/rotate.ts'
import { verifySecret } from '../system/trust.ts'
import type { World } from '../system/world.ts'
import { logFolder, type Paths } from './paths.ts'
import type { Config } from './schema.ts'
import { locateOfAnybody, noConfiguration, own } from './services.ts'

/** A service that telec keeps up to date: what is configured, where its state is, and the world around it. */
export interface Service {
  readonly world: World
  readonly config: Config
  readonly paths: Paths
}

/**
 * Makes the function that writes to the disks what git, a migration or the install command wrote. It goes before whatever
 * records that; see `createSync`.
 */
export function createSyncFor({ world, config, paths }: Service): () => Promise<void> {
  return createSync(world, [config.deployment.checkout, world.home, paths.home])
}

/** The service that is meant, or the one of these paths. Throws as `locate` and `loadConfig` do. */
export async function openService(world: World, paths: Paths = locateOfAnybody(world)): Promise<Service> {
  own(world, paths)
  rotateLog(world, logFolder(paths, world.home))
  return { world, config: await loadConfig(world, paths), paths }
}

/** Reads and checks `config.yml`. Throws a TelecError of kind `config` that names every fault and its line. */
export async function loadConfig(world: World, paths: Paths): Promise<Config> {
  const { MOST_BYTES, parseConfig } = await import('./parse.ts')
  const isOthers = paths.scope === 'system' && !mayAccess(paths.config, 'read')
  const text = isOthers ? null : readBeginning(paths.config, MOST_BYTES + 1)
  if (text === null) throw noConfiguration(world, paths)
  const config = parseConfig(world, paths.config, text)
  verifyOutside(paths, config.deployment.checkout)
  const login = loginIn(config)
  if (login) verifySecret(`${login} has a login in it, in`, paths.config, true)
  // To others each named service is a computer of its own.
  return paths.name === null ? config : { ...config, computer: `${config.computer}/${paths.name}` }
}

/** A key whose URL has a password or a token in it. */
function loginIn({ deployment: { remote, mirrors, api_url }, redis }: Config): string | undefined {
  const urls = {
    'redis.url': [redis?.url],
    'deployment.remote': [remote],
    'deployment.mirrors': mirrors,
    'deployment.api_url': [api_url],
  }
  const hasLogin = (url = '') => withoutLogins(url) !== url
  return Object.entries(urls).find(([, values]) => values.some(hasLogin))?.[0]
}

/** A commit must not choose where the next one comes from, who has to sign it, or what is run. */
function verifyOutside(paths: Paths, checkout: string): void {
  for (const path of [paths.config, paths.home])
    if (isWithin(path, checkout))
      throw new TelecError('config', `${path} lies in the checkout, where a commit can change it`, {
        hint: 'move it elsewhere, and let TELEC_HOME name the folder',
      })
}

function isWithin(path: string, folder: string): boolean {
  try {
    return `${realpathSync(path)}/`.startsWith(`${realpathSync(folder)}/`)
  } catch {
    return false // one of them is not there
  }
}
