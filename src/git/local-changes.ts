import { existsSync, lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { printableName } from '../system/log.ts'
import type { Change } from './changes.ts'
import { keepCommit } from './checkout.ts'
import { SUBMODULE, standings } from './content.ts'
import { git, tryGit } from './git.ts'
import { putAside, removeFiles } from './leftovers.ts'
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

/** What of local changes a move would overwrite, by path. */
export interface InTheWay {
  readonly modified: readonly string[]
  readonly untracked: readonly string[]
  /** Of some of them something is staged. */
  readonly isStaged: boolean
}

/** Those that a move over these changes would overwrite; bytes of one of its commits are nobody's work, unless staged. */
export async function inTheWay(
  repository: Repository,
  local: ReadonlyMap<string, string>,
  changes: readonly Change[],
  fold: Fold,
): Promise<InTheWay> {
  const touched = [...local.keys()].filter(isTouchedBy(changes, fold))
  const untracked = untrackedInTheWay(repository, changes, fold)
  const isStaged = (path: string) => local.get(path)?.startsWith(' ') === false
  const asked = new Set([...touched.filter((path) => !isStaged(path)), ...untracked])
  const found = await standings(
    repository,
    changes.filter(({ path }) => asked.has(path)),
  )
  const isWork = (path: string) => isStaged(path) || !['before', 'after'].includes(found.get(path) ?? '')
  const modified = touched.filter(isWork)
  return { modified, untracked: untracked.filter(isWork), isStaged: modified.some(isStaged) }
}

/** All of them, where it is not known what a move touches. */
export function allOf(local: ReadonlyMap<string, string>): InTheWay {
  const isStaged = [...local.values()].some((letters) => !letters.startsWith(' '))
  return { modified: [...local.keys()], untracked: [], isStaged }
}

/**
 * Whether a move over these changes touches a path: a file is in the way of itself, of a folder of its name, and of a file by
 * the name of its folder.
 */
export function isTouchedBy(changes: readonly Change[], fold: Fold): (path: string) => boolean {
  const files = new Set(changes.map(({ path }) => fold(path)))
  const folders = new Set(changes.flatMap(({ path }) => foldersOf(path)).map(fold))
  return (path) => folders.has(fold(path)) || [path, ...foldersOf(path)].some((name) => files.has(fold(name)))
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

/** All but folders below a folder, by their paths in the work tree; a repository of its own as one, with a slash. */
function allBelow(workTree: string, folder: string): string[] {
  if (existsSync(join(workTree, folder, '.git'))) return [`${folder}/`]
  return readdirSync(join(workTree, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? allBelow(workTree, path) : [path]
  })
}

const TELEC_IDENTITY = ['-c', 'user.name=telec', '-c', 'user.email=telec@localhost']

/** Keeps what is staged as a commit on HEAD; its ref, or null where nothing is, or git cannot read it. */
export async function keepIndex(repository: Repository, kind: 'stash' | 'rescued'): Promise<string | null> {
  const { code, stdout } = await tryGit(repository, ['write-tree'])
  const tree = stdout.trim()
  if (code !== 0 || (await git(repository, ['diff-tree', '--name-only', 'HEAD', tree])) === '') return null
  if ((await git(repository, ['ls-tree', tree])) === '') return null // of an index that was cut short
  const commit = ['commit-tree', '-p', 'HEAD', '-m', 'What was staged', tree]
  return keepCommit(repository, kind, (await git(repository, [...TELEC_IDENTITY, ...commit])).trim())
}

/** Keeps what the disk has at these paths as a commit on HEAD, and returns its ref. */
async function keepPaths(
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
    return await keepCommit(repository, kind, (await git(repository, commit)).trim())
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
 * Keeps files of somebody's, and what is staged, under refs; a repository of its own is moved away whole, since git takes
 * nothing of what is in one. `tell` is told what is kept where, before it is gone.
 */
export async function keepAll(
  repository: Repository,
  paths: readonly string[],
  isStaged: boolean,
  kind: 'stash' | 'rescued',
  tell: (what: string) => Promise<void>,
): Promise<void> {
  const { workTree } = repository
  const back = `to have them back: git -C ${workTree} cherry-pick --no-commit`
  const files = paths.filter((path) => !isRepository(path))
  const message = `What was in the way of an update${kind === 'stash' ? '' : ' that was completed'}`
  if (files.length > 0) {
    const ref = await keepPaths(repository, files, kind, message)
    await tell(`${files.map(printableName).join(', ')}; ${back} ${ref}`)
  }
  const staged = isStaged ? await keepIndex(repository, kind) : null
  if (staged) await tell(`what was staged; ${back} ${staged}`)
  for (const path of paths.filter(isRepository)) await putAside(repository, join(workTree, path), kind, tell)
}

function isRepository(path: string): boolean {
  return path.endsWith('/')
}

/** Puts local changes aside as `keepAll` does. Done again after a kill, it puts aside what was left. */
export async function stashPaths(
  repository: Repository,
  { modified, untracked, isStaged }: InTheWay,
  tell: (what: string) => Promise<void>,
): Promise<void> {
  await keepAll(repository, [...modified, ...untracked], isStaged, 'stash', tell)
  const restore = ['restore', '--source=HEAD', '--staged', '--worktree']
  if (modified.length > 0) await git(repository, literal(restore), inputOf(modified))
  removeFiles(
    repository,
    untracked.filter((path) => !isRepository(path)).map((path) => join(repository.workTree, path)),
  )
}
