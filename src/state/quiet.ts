import type { Paths } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { remove, touch, writeInPlace } from '../system/files.ts'

/** Writes what quiet.sh asks and expects; see watch/quiet.ts. */
export async function writeQuiet({ world, paths }: Service, text: string): Promise<void> {
  writeInPlace(paths.quiet, text)
  // Later than the folder, which says when something in it was replaced.
  await touch(paths.quiet, world.now() + 1)
}

/** Has the next poll be a whole one: for whoever is about to change what a quiet poll takes for granted. */
export function forgetQuiet(paths: Paths): Promise<void> {
  return remove(paths.quiet, { folder: 'synced later' }) // one that a power cut brings back is older than what follows
}
