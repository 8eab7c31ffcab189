import { renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { World } from './world.ts'

/** Two files of this size are kept of each program. */
const LARGEST_BYTES = 1024 * 1024

/** launchd appends a job's output to a file for ever: a large one is put aside as `NAME.log.1`, where this run goes on. */
export function rotateLog({ platform, program }: World, folder: string): void {
  if (platform !== 'darwin') return
  const path = join(folder, `${program.name}.log`)
  try {
    if (statSync(path).size > LARGEST_BYTES) renameSync(path, `${path}.1`)
  } catch {
    // There is none, or it cannot be helped.
  }
}
