import { remove } from '../system/files.ts'
import type { Paths } from './paths.ts'

/** Has the next poll be a whole one: for whoever is about to change what a quiet poll takes for granted. */
export function forgetQuiet(paths: Paths): Promise<void> {
  return remove(paths.quiet)
}
