import { join } from 'node:path'
import { readPlainText } from '../system/files.ts'
import { gitLines } from './git.ts'
import type { Repository } from './repository.ts'

/** Whether the disk is case-insensitive, by git's core.ignoreCase. */
export function isCaseless({ commonDir }: Repository): boolean {
  return /^\s*ignorecase\s*=\s*true\s*$/im.test(readPlainText(join(commonDir, 'config')) ?? '')
}

/** Maps the names of one file on the disk to one string. */
export function foldOf(repository: Repository): (name: string) => string {
  return isCaseless(repository) ? (name) => name.normalize('NFC').toLowerCase() : (name) => name
}

/** The paths that the disk takes for another file of the commit, or for a folder of one. */
export async function collisions(
  repository: Repository,
  commit: string,
  paths: readonly string[],
): Promise<string[]> {
  const fold = foldOf(repository)
  const files = await gitLines(repository, ['ls-tree', '-r', '-z', '--name-only', commit])
  const wanted = new Set(paths)
  const first = new Map<string, string>()
  const found = new Set<string>()
  const compare = (file: string, name: string) => {
    const other = first.get(fold(name))
    if (other !== undefined && other !== file && (wanted.has(file) || wanted.has(other)))
      found.add(`${other} and ${file}`)
  }
  for (const file of files) {
    compare(file, file)
    if (!first.has(fold(file))) first.set(fold(file), file)
  }
  for (const file of files) for (const folder of foldersOf(file)) compare(file, folder)
  return [...found].sort()
}

/** The folders above a path, the outermost first; `''` is the work tree itself. */
export function foldersOf(path: string): string[] {
  return path.split('/').map((_, index, parts) => parts.slice(0, index).join('/'))
}
