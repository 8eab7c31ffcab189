import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { gitAt } from '../system/errors.ts'
import { lstat } from '../system/files.ts'
import { printableName } from '../system/log.ts'
import { isWithin } from '../system/places.ts'
import { type Change, diskStates, SUBMODULE } from './changes.ts'
import { moveAway, removeFiles } from './checkout-files.ts'
import { git, gitLines, tryGit } from './git.ts'
import { foldersOf, foldOf } from './names.ts'
import { keepCommit } from './refs.ts'
import type { Repository } from './repository.ts'

/** Tracked files that differ from HEAD, in the index or on the disk: path and the two letters of git-status(1). */
export async function localChanges(repository: Repository): Promise<Map<string, string>> {
  const which = ['--no-renames', '--untracked-files=no', '--ignore-submodules=all']
  const entries = await gitLines(repository, ['status', '--porcelain=v1', '-z', ...which])
  return new Map(entries.map((entry) => [entry.slice(3), entry.slice(0, 2)]))
}

/** Paths with local changes that a move would overwrite. */
interface InTheWay {
  readonly modified: readonly string[]
  readonly untracked: readonly string[]
  /** Some of them are staged. */
  readonly isStaged: boolean
}

/** The local changes that a move over these changes would overwrite. Content of one of its commits counts only where it is staged. */
export async function inTheWay(
  repository: Repository,
  local: ReadonlyMap<string, string>,
  changes: readonly Change[],
): Promise<InTheWay> {
  const touched = [...local.keys()].filter(isTouchedBy(repository, changes))
  const untracked = untrackedInTheWay(repository, changes)
  const isStaged = (path: string) => local.get(path)?.startsWith(' ') === false
  const compared = new Set([...touched.filter((path) => !isStaged(path)), ...untracked])
  const states = await diskStates(
    repository,
    changes.filter(({ path }) => compared.has(path)),
  )
  const isWork = (path: string) => isStaged(path) || !['before', 'after'].includes(states.get(path) ?? '')
  const modified = touched.filter(isWork)
  return { modified, untracked: untracked.filter(isWork), isStaged: modified.some(isStaged) }
}

/** Whether a move over these changes touches a path: as the same file, a folder of its name, or a file with the name of its folder. */
export function isTouchedBy(repository: Repository, changes: readonly Change[]): (path: string) => boolean {
  const fold = foldOf(repository)
  const files = new Set(changes.map(({ path }) => fold(path)))
  const folders = new Set(changes.flatMap(({ path }) => foldersOf(path)).map(fold))
  return (path) => folders.has(fold(path)) || [path, ...foldersOf(path)].some((name) => files.has(fold(name)))
}

/** Untracked files where the commits have something new. */
export function untrackedInTheWay(repository: Repository, changes: readonly Change[]): string[] {
  const { workTree } = repository
  const fold = foldOf(repository)
  const tracked = new Set(changes.filter(({ before }) => before).map(({ path }) => fold(path)))
  const found = new Set<string>()
  const links = changes.filter(({ before }) => before?.mode === SUBMODULE).map(({ path }) => path)
  // The submodule step clears these.
  const isInSubmodule = (path: string) => isWithin(path, ...links)
  const isWritten = ({ path, after }: Change) =>
    after !== null && after.mode !== SUBMODULE && !isInSubmodule(path)
  for (const { path } of changes.filter(isWritten))
    for (const name of [...foldersOf(path).slice(1), path]) {
      const stat = lstat(join(workTree, name))
      if (!stat) break
      const isFolder = stat.isDirectory()
      if (isFolder && name !== path) continue
      for (const file of isFolder ? allBelow(workTree, name) : [name])
        if (!tracked.has(fold(file))) found.add(file)
      break
    }
  return [...found]
}

/** The files below a folder, by their paths in the work tree; a repository in it as one path, with a slash at the end. */
function allBelow(workTree: string, folder: string): string[] {
  if (existsSync(join(workTree, folder, '.git'))) return [`${folder}/`]
  return readdirSync(join(workTree, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? allBelow(workTree, path) : [path]
  })
}

/** `stash`: a user asked for it; `rescued`: telec completes an interrupted move. */
type Kind = 'stash' | 'rescued'

async function commitTree(
  repository: Repository,
  tree: string,
  kind: Kind,
  message: string,
): Promise<string> {
  const identity = ['-c', 'user.name=telec', '-c', 'user.email=telec@localhost']
  const commit = [...identity, 'commit-tree', '-p', 'HEAD', '-m', message, tree]
  return keepCommit(repository, kind, (await git(repository, commit)).trim())
}

/** Keeps staged changes as a commit on HEAD, and returns its ref; null where there are none, or git cannot read the index. */
export async function keepIndex(repository: Repository, kind: Kind): Promise<string | null> {
  const { code, stdout } = await tryGit(repository, ['write-tree'])
  const tree = stdout.trim()
  if (code !== 0 || (await git(repository, ['diff-tree', '--name-only', 'HEAD', tree])) === '') return null
  if ((await git(repository, ['ls-tree', tree])) === '') return null // a truncated index
  return commitTree(repository, tree, kind, 'Staged changes')
}

/** Keeps the content of these files as a commit on HEAD, and returns its ref. */
async function keepPaths(repository: Repository, paths: readonly string[], kind: Kind): Promise<string> {
  const indexFile = join(repository.gitDir, 'telec-stash-index') // git's own has what a user staged
  const env = { GIT_INDEX_FILE: indexFile }
  const removeIndex = () => removeFiles(repository, [indexFile, `${indexFile}.lock`])
  removeIndex()
  try {
    await git(repository, ['read-tree', 'HEAD'], { env })
    await gitOver(repository, paths, ['add', '--force', '--all'], env)
    const tree = (await git(repository, ['write-tree'], { env })).trim()
    const message = `Local changes in the way of an update${kind === 'stash' ? '' : ' that telec completed'}`
    return await commitTree(repository, tree, kind, message)
  } finally {
    removeIndex()
  }
}

async function gitOver(
  repository: Repository,
  paths: readonly string[],
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const args = ['--literal-pathspecs', ...command, '--pathspec-from-file=-', '--pathspec-file-nul']
  await git(repository, args, { env, input: paths.map((path) => `${path}\0`).join('') })
}

/**
 * Keeps files and staged changes under refs. A repository among them is moved away whole: git adds no files of another
 * repository. `report` is told each place before anything is overwritten.
 */
export async function keepAll(
  repository: Repository,
  paths: readonly string[],
  isStaged: boolean,
  kind: Kind,
  report: (kept: string) => Promise<void>,
): Promise<void> {
  const { workTree } = repository
  const restore = `to restore them: ${gitAt(workTree)} cherry-pick --no-commit`
  const files = paths.filter((path) => !isRepository(path))
  if (files.length > 0) {
    const ref = await keepPaths(repository, files, kind)
    await report(`${files.map(printableName).join(', ')}; ${restore} ${ref}`)
  }
  const staged = isStaged ? await keepIndex(repository, kind) : null
  if (staged) await report(`staged changes; ${restore} ${staged}`)
  for (const path of paths.filter(isRepository))
    await moveAway(repository, join(workTree, path), kind, report)
}

function isRepository(path: string): boolean {
  return path.endsWith('/')
}

/** Stashes local changes by `keepAll`. Repeated after a kill, it stashes the rest. */
export async function stashPaths(
  repository: Repository,
  { modified, untracked, isStaged }: InTheWay,
  report: (kept: string) => Promise<void>,
): Promise<void> {
  await keepAll(repository, [...modified, ...untracked], isStaged, 'stash', report)
  const restore = ['restore', '--source=HEAD', '--staged', '--worktree']
  if (modified.length > 0) await gitOver(repository, modified, restore)
  const files = untracked.filter((path) => !isRepository(path))
  removeFiles(
    repository,
    files.map((path) => join(repository.workTree, path)),
  )
}
