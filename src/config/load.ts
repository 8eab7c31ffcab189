import { realpathSync } from 'node:fs'
import { TelecError } from '../system/errors.ts'
import { readText } from '../system/files.ts'
import type { World } from '../system/world.ts'
import type { Paths } from './paths.ts'
import type { Config } from './schema.ts'

/** Reads and checks `config.yml`. Throws a TelecError of kind `config` that names every fault and its line. */
export async function loadConfig(world: World, paths: Paths): Promise<Config> {
  const text = readText(paths.config)
  if (text === null)
    throw new TelecError('config', `there is no configuration: ${paths.config} does not exist`, {
      hint: 'write one with: telec init --checkout PATH',
    })
  const { parseConfig } = await import('./parse.ts')
  const config = parseConfig(world, paths.config, text)
  verifyOutside(paths, config.deployment.checkout)
  return config
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
