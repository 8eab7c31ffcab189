import { renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { World } from './world.ts'

/** Each program keeps two files of this size. */
const LARGEST_BYTES = 1024 * 1024

/** launchd never rotates a job's log: renames a large one to `NAME.log.1`, to which this run still writes. */
export function rotateLog({ platform, program }: World, folder: string): void {
  if (platform !== 'darwin') return
  const path = join(folder, `${program.name}.log`)
  try {
    if (statSync(path).size > LARGEST_BYTES) renameSync(path, `${path}.1`)
  } catch {
    // It is missing, or not writable: no reason to fail.
  }
}
