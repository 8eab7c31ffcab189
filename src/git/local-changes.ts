import { lstatSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Change } from './changes.ts'
import { keepCommit } from './checkout.ts'
import { SUBMODULE } from './content.ts'
import { git } from './git.ts'
import { filesBelow, removeFiles } from './leftovers.ts'
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
  const links = changes.filter(({ before }) => before?.mode === SUBMODULE).map(({ path }) => `${path}/`)
  const isOfLink = (path: string) => links.some((link) => path.startsWith(link)) // cleared with the submodule
  const isNew = ({ path, before, after }: Change) =>
    before === null && after?.mode !== SUBMODULE && !isOfLink(path)
  for (const { path } of changes.filter(isNew))
    for (const name of [...foldersOf(path).slice(1), path]) {
      const stat = lstatSync(join(workTree, name), { throwIfNoEntry: false })
      if (!stat) break
      const isFolder = stat.isDirectory()
      if (isFolder && name !== path) continue
      const files = isFolder
        ? filesBelow(join(workTree, name), /./).map((file) => relative(workTree, file))
        : [name]
      for (const file of files) if (!tracked.has(fold(file))) found.add(file)
      break
    }
  return [...found]
}

export const TELEC_IDENTITY = ['-c', 'user.name=telec', '-c', 'user.email=telec@localhost']

/** Keeps what the disk has at these paths as a commit on HEAD, and returns its ref. */
export async function keepPaths(
  repository: Repository,
  paths: readonly string[],
  kind: 'stash' | 'rescued',
  message: string,
): Promise<string> {
  const indexFile = join(repository.gitDir, 'telec-stash-index') // git's own has what a person staged
  const env = { GIT_INDEX_FILE: indexFile }
  const removeIndex = () => removeFiles(repository, [indexFile, `${indexFile}.lock`])
  await removeIndex()
  try {
    await git(repository, ['read-tree', 'HEAD'], { env })
    await git(repository, literal(['add', '--force', '--all']), { ...inputOf(paths), env })
    const tree = (await git(repository, ['write-tree'], { env })).trim()
    const commit = [...TELEC_IDENTITY, 'commit-tree', '-p', 'HEAD', '-m', message, tree]
    return keepCommit(repository, kind, (await git(repository, commit)).trim())
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

/** Puts local changes aside, and returns the ref that has them. Done again after a kill, it puts aside what was left. */
export async function stashPaths(
  repository: Repository,
  modified: readonly string[],
  untracked: readonly string[],
): Promise<string> {
  const message = 'Local changes that an update would have overwritten'
  const ref = await keepPaths(repository, [...modified, ...untracked], 'stash', message)
  const restore = ['restore', '--source=HEAD', '--staged', '--worktree']
  if (modified.length > 0) await git(repository, literal(restore), inputOf(modified))
  await removeFiles(
    repository,
    untracked.map((path) => join(repository.workTree, path)),
  )
  return ref
}
