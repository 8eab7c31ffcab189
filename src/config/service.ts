import { rotateLog } from '../system/rotate.ts'
import type { World } from '../system/world.ts'
import { loadConfig } from './load.ts'
import { locate, type Paths } from './paths.ts'
import type { Config } from './schema.ts'

/** A service that telec keeps up to date: what is configured, where its state is, and the world around it. */
export interface Service {
  readonly world: World
  readonly config: Config
  readonly paths: Paths
}

/** The service of this home. Throws as `locate` and `loadConfig` do. */
export async function openService(world: World): Promise<Service> {
  const paths = locate(world)
  rotateLog(world, paths.home)
  return { world, config: await loadConfig(world, paths), paths }
}
