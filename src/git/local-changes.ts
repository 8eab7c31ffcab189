import { lstatSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Change } from './changes.ts'
import { keepCommit } from './checkout.ts'
import { SUBMODULE } from './content.ts'
import { git } from './git.ts'
import { removeFiles } from './leftovers.ts'
import { type Fold, foldersOf } from './names.ts'
import type { Repository } from './repository.ts'

/** Tracked files that differ from HEAD, in the index or on the disk, by path; two letters each, as git-status(1) has them. */
export async function localChanges(repository: Repository): Promise<Map<string, string>> {
  const which = ['--no-renames', '--untracked-files=no', '--ignore-submodules=all']
  const entries = (await git(repository, ['status', '--porcelain=v1', '-z', ...which]))
    .split('\0')
    .filter(Boolean)
  return new Map(entries.map((entry) => [entry.slice(3), entry.slice(0, 2)]))
}

/** What stands where the commits have something new, and is not known to git, by path. */
export function untrackedInTheWay(
  { workTree }: Repository,
  changes: readonly Change[],
  fold: Fold,
): string[] {
  const tracked = new Set(changes.filter(({ before }) => before).map(({ path }) => fold(path)))
  const found = new Set<string>()
  const links = changes.filter(({ before }) => before?.mode === SUBMODULE).map(({ path }) => path)
  // What is in a submodule is cleared with it.
  const isOfLink = (path: string) => links.some((link) => path === link || path.startsWith(`${link}/`))
  const isWritten = ({ path, after }: Change) => after !== null && after.mode !== SUBMODULE && !isOfLink(path)
  for (const { path } of changes.filter(isWritten))
    for (const name of [...foldersOf(path).slice(1), path]) {
      const stat = lstatSync(join(workTree, name), { throwIfNoEntry: false })
      if (!stat) break
      const isFolder = stat.isDirectory()
      if (isFolder && name !== path) continue
      for (const file of isFolder ? allBelow(workTree, name) : [name])
        if (!tracked.has(fold(file))) found.add(file)
      break
    }
  return [...found]
}

/** All but folders below a folder, by their paths in the work tree. */
function allBelow(workTree: string, folder: string): string[] {
  return readdirSync(join(workTree, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(workTree, join(entry.parentPath, entry.name)))
}

export const TELEC_IDENTITY = ['-c', 'user.name=telec', '-c', 'user.email=telec@localhost']

/**
 * Keeps what the disk has at these paths as a commit on HEAD, and returns its ref. `withIndex`: what is staged is its second
 * parent, as in a stash.
 */
export async function keepPaths(
  repository: Repository,
  paths: readonly string[],
  kind: 'stash' | 'rescued',
  message: string,
  withIndex = false,
): Promise<string> {
  const indexFile = join(repository.gitDir, 'telec-stash-index') // git's own has what a person staged
  const env = { GIT_INDEX_FILE: indexFile }
  const removeIndex = () => removeFiles(repository, [indexFile, `${indexFile}.lock`])
  const commit = async (tree: string, text: string, ...parents: string[]) => {
    const args = ['commit-tree', '-m', text, ...parents.flatMap((parent) => ['-p', parent]), tree.trim()]
    return (await git(repository, [...TELEC_IDENTITY, ...args])).trim()
  }
  await removeIndex()
  try {
    const staged = withIndex
      ? [await commit(await git(repository, ['write-tree']), 'What was staged', 'HEAD')]
      : []
    await git(repository, ['read-tree', 'HEAD'], { env })
    if (paths.length > 0)
      await git(repository, literal(['add', '--force', '--all']), { ...inputOf(paths), env })
    const tree = await git(repository, ['write-tree'], { env })
    return await keepCommit(repository, kind, await commit(tree, message, 'HEAD', ...staged))
  } finally {
    await removeIndex()
  }
}

function inputOf(paths: readonly string[]): { input: string } {
  return { input: paths.map((path) => `${path}\0`).join('') }
}

function literal(args: readonly string[]): string[] {
  return ['--literal-pathspecs', ...args, '--pathspec-from-file=-', '--pathspec-file-nul']
}

/**
 * Puts local changes aside; `putAside` is told of the ref that has them before they are gone. Done again after a kill, it puts
 * aside what was left.
 */
export async function stashPaths(
  repository: Repository,
  modified: readonly string[],
  untracked: readonly string[],
  putAside: (ref: string) => Promise<void>,
): Promise<void> {
  const message = 'Local changes that an update would have overwritten'
  await putAside(await keepPaths(repository, [...modified, ...untracked], 'stash', message))
  const restore = ['restore', '--source=HEAD', '--staged', '--worktree']
  if (modified.length > 0) await git(repository, literal(restore), inputOf(modified))
  await removeFiles(
    repository,
    untracked.map((path) => join(repository.workTree, path)),
  )
}
