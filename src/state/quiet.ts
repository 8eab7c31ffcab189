import type { Paths } from '../config/paths.ts'
import { remove, touch, writeInPlace } from '../system/files.ts'

/** Writes what quiet.sh asks and expects; see watch/quiet.ts. @param nowMs the time that the file then has. */
export async function writeQuiet(paths: Paths, text: string, nowMs: number): Promise<void> {
  writeInPlace(paths.quiet, text)
  await touch(paths.quiet, nowMs)
}

/** Has the next poll be a whole one: for whoever is about to change what a quiet poll takes for granted. */
export function forgetQuiet(paths: Paths): Promise<void> {
  return remove(paths.quiet, { folder: 'synced later' }) // one that a power cut brings back is older than what follows
}
