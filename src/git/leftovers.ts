import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { actAs } from '../system/account.ts'
import { TelecError } from '../system/errors.ts'
import type { Repository } from './repository.ts'

const TIMEOUT_MS = 5 * 60_000

/** Removes files that may not be there, as the checkout's owner: a link leads only where they could go themselves. */
export async function removeFiles(repository: Repository, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return
  const { world, workTree, owner } = repository
  const as = actAs(world, owner)
  const input = paths.map((path) => `${path}\0`).join('')
  const options = { cwd: '/', env: as.env, timeoutMs: TIMEOUT_MS, input }
  const { code, signal, stderr } = await as.run('xargs', ['-0', 'rm', '-f', '--'], options)
  if (code === 0) return
  throw new TelecError(code === null ? 'later' : 'halted', `rm failed in ${workTree}`, {
    because: stderr.trim() || `it ended with ${signal ?? `exit code ${code}`}`,
    hint: `look whose it is: ls -l ${workTree}`,
    interrupted: true, // what is to be removed is still there
  })
}

/** The plain files below a folder whose names fit, through no link; none where it is not there. */
export function filesBelow(folder: string, name: RegExp): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}
