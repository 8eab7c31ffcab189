import { readText } from '../system/files.ts'
import { checksum } from '../system/hash.ts'
import { COMMIT, VERSION } from '../system/version.ts'
import type { World } from '../system/world.ts'
import type { Paths } from './paths.ts'
import type { Config } from './schema.ts'

/** The configuration as it was parsed before; null where that was another text, or by another telec. */
export function parsedBefore(world: World, paths: Paths, text: string): Config | null {
  const known = readParsed(paths)
  if (known?.from !== originOf(world, text)) return null
  // Not checked as the text is, key by key, which is what it saves: a checksum says that it is what was checked.
  return known.checksum === checksumOf(known.config) ? known.config : null
}

/** Tells a configuration from one in which something was changed. */
export function checksumOf(config: Config): string {
  return checksum(JSON.stringify(config ?? null))
}

/** All that a configuration comes from. */
export function originOf({ home, hostname }: World, text: string): string {
  return JSON.stringify([VERSION, COMMIT, home, hostname, text])
}

/** A file that cannot be understood is no state: it is as if there were none. */
function readParsed(
  paths: Paths,
): { readonly from: string; readonly checksum: string; readonly config: Config } | null {
  try {
    return JSON.parse(readText(paths.parsedConfig) ?? 'null')
  } catch {
    return null
  }
}
