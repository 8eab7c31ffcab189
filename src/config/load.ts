import { realpathSync } from 'node:fs'
import { TelecError } from '../system/errors.ts'
import { readText, remove, writeDurably } from '../system/files.ts'
import type { World } from '../system/world.ts'
import { checksumOf, originOf, parsedBefore } from './parsed.ts'
import type { Paths } from './paths.ts'
import type { Config } from './schema.ts'

/** Reads and checks `config.yml`. Throws a TelecError of kind `config` that names every fault and its line. */
export async function loadConfig(world: World, paths: Paths): Promise<Config> {
  const text = readText(paths.config)
  if (text === null)
    throw new TelecError('config', `there is no configuration: ${paths.config} does not exist`, {
      hint: 'write one with: telec init --checkout PATH',
    })
  const config = parsedBefore(world, paths, text) ?? (await parse(world, paths, text))
  verifyOutside(paths, config.deployment.checkout)
  return config
}

async function parse(world: World, paths: Paths, text: string): Promise<Config> {
  const { parseConfig } = await import('./parse.ts')
  return parseConfig(world, paths.config, text)
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

/**
 * Keeps the configuration as it was parsed, for a poll a minute, which would otherwise spend a tenth of its time on
 * YAML. It is used only as long as the text is the same, byte by byte.
 */
export async function keepParsed(world: World, paths: Paths, config: Config): Promise<void> {
  const text = readText(paths.config)
  if (text === null) return
  // A password stays in the one file that a person wrote.
  if (/https?:\/\/[^/\s]*@|:\/\/[^/\s@]*:[^/\s]*@/i.test(text)) return remove(paths.parsedConfig)
  if (parsedBefore(world, paths, text) !== null) return
  const parsed = { from: originOf(world, text), checksum: checksumOf(config), config }
  await writeDurably(paths.parsedConfig, JSON.stringify(parsed))
}
