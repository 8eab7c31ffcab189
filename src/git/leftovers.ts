import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { actAs } from '../system/account.ts'
import { TelecError } from '../system/errors.ts'
import type { Repository } from './repository.ts'

const TIMEOUT_MS = 5 * 60_000

/** Removes files that may not be there, as the checkout's owner: a link leads only where they could go themselves. */
export async function removeFiles(repository: Repository, paths: readonly string[]): Promise<void> {
  if (paths.length > 0) await withPaths(repository, ['rm', '-f', '--'], paths)
}

/** Removes a folder, with all in it, that may not be there. */
export async function removeFolder(repository: Repository, path: string): Promise<void> {
  if (existsSync(path)) await withPaths(repository, ['rm', '-rf', '--'], [path])
}

/** Moves files into a folder, in their order; the folder is made where it is not there. */
export async function moveFiles(
  repository: Repository,
  paths: readonly string[],
  folder: string,
): Promise<void> {
  if (paths.length === 0) return
  await withPaths(repository, ['mkdir', '-p', '--'], [folder])
  await withPaths(repository, ['sh', '-c', 'mv -f -- "$@" "$0/"', folder], paths)
}

/** Copies a file that may not be there into a folder. */
export async function copyFile(repository: Repository, path: string, folder: string): Promise<void> {
  if (existsSync(path)) await withPaths(repository, ['sh', '-c', 'cp -- "$1" "$0/"', folder], [path])
}

/** Runs a command with these paths at its end, as the checkout's owner. */
async function withPaths(
  repository: Repository,
  command: readonly string[],
  paths: readonly string[],
): Promise<void> {
  const { world, workTree, owner } = repository
  const as = actAs(world, owner)
  const input = paths.map((path) => `${path}\0`).join('')
  const options = { cwd: '/', env: as.env, timeoutMs: TIMEOUT_MS, input }
  const { code, signal, stderr } = await as.run('xargs', ['-0', ...command], options)
  if (code === 0) return
  throw new TelecError(code === null ? 'later' : 'halted', `${command[0]} failed in ${workTree}`, {
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
