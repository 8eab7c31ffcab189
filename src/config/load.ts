import { TelecError } from '../system/errors.ts'
import { readText, writeDurably } from '../system/files.ts'
import { COMMIT, VERSION } from '../system/version.ts'
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
  const known = readParsed(paths)
  if (known?.from === originOf(world, text)) return known.config
  const { parseConfig } = await import('./parse.ts')
  return parseConfig(world, paths.config, text)
}

/**
 * Keeps the configuration as it was parsed, for a poll a minute, which would otherwise spend a tenth of its time on
 * YAML. It is used only as long as the text is the same, byte by byte.
 */
export async function keepParsed(world: World, paths: Paths, config: Config): Promise<void> {
  const text = readText(paths.config)
  if (text === null) return
  const from = originOf(world, text)
  if (readParsed(paths)?.from !== from)
    await writeDurably(paths.parsedConfig, JSON.stringify({ from, config }))
}

/** All that a configuration comes from. */
function originOf({ home, hostname }: World, text: string): string {
  return JSON.stringify([VERSION, COMMIT, home, hostname, text])
}

/** A file that cannot be understood is no state: it is as if there were none. */
function readParsed(paths: Paths): { readonly from: string; readonly config: Config } | null {
  try {
    return JSON.parse(readText(paths.parsedConfig) ?? 'null')
  } catch {
    return null
  }
}
