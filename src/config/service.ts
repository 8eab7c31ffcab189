import { createSync } from '../system/disks.ts'
import { TelecError } from '../system/errors.ts'
import { mayAccess, readBeginning } from '../system/files.ts'
import { withoutLogins } from '../system/logins.ts'
import { leadsInto } from '../system/places.ts'
import { rotateLog } from '../system/rotate.ts'
import { verifySecret } from '../system/trust.ts'
import type { World } from '../system/world.ts'
import { logFolder, type Paths, type Scope } from './paths.ts'
import type { Config } from './schema.ts'
import { locateOfAnybody, noConfiguration, own } from './services.ts'

/** A service that telec keeps up to date. */
export interface Service {
  readonly world: World
  readonly config: Config
  readonly paths: Paths
}

/** The scope of telec's units: that of the service, else that of the configuration. */
export function scopeOf({ config, paths }: Service): Scope {
  return config.service?.scope ?? paths.scope
}

/** Makes the function that syncs files of git, migrations and the install command, before telec records them. */
export function createSyncFor({ world, config, paths }: Service): () => Promise<void> {
  return createSync(world, [config.deployment.checkout, world.home, paths.home])
}

/** Throws as `locateOfAnybody` and `loadConfig` do. */
export async function openService(world: World, paths: Paths = locateOfAnybody(world)): Promise<Service> {
  own(world, paths)
  rotateLog(world, logFolder(paths, world.home))
  return { world, config: await loadConfig(world, paths), paths }
}

/** Throws `config` with every fault of `config.yml` and its line. */
export async function loadConfig(world: World, paths: Paths): Promise<Config> {
  const { MOST_BYTES, parseConfig } = await import('./parse.ts')
  const isOthers = paths.scope === 'system' && !mayAccess(paths.config, 'read')
  const text = isOthers ? null : readBeginning(paths.config, MOST_BYTES + 1)
  if (text === null) throw noConfiguration(world, paths)
  const config = parseConfig(world, paths.config, text, paths.scope)
  verifyOutside(paths, config.deployment.checkout)
  const login = loginIn(config)
  if (login) verifySecret(`${login} contains a login, in`, paths.config, true)
  // In Redis each named service is a computer.
  return paths.name === null ? config : { ...config, computer: `${config.computer}/${paths.name}` }
}

/** The first key whose URL contains a login. */
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

/** A commit must not change the remote, the keys that may sign, or a command. */
function verifyOutside(paths: Paths, checkout: string): void {
  for (const path of [paths.config, paths.home])
    if (leadsInto(path, checkout))
      throw new TelecError('config', `${path} lies in the checkout, where a commit can change it`, {
        hint: 'move it out of the checkout, and set TELEC_HOME to its folder',
      })
}
