import { join } from 'node:path'
import { keepCommit } from './checkout.ts'
import { git } from './git.ts'
import { removeFiles } from './leftovers.ts'
import type { Repository } from './repository.ts'

/** Tracked files that differ from HEAD, and untracked ones, by path. */
export interface LocalChanges {
  readonly modified: readonly string[]
  /** A folder that git ignores as a whole is listed with a slash at its end. */
  readonly untracked: readonly string[]
}

export async function localChanges(repository: Repository): Promise<LocalChanges> {
  // An ignored file that the target tracks is in its way all the same.
  const which = ['--no-renames', '--untracked-files=all', '--ignored=matching', '--ignore-submodules=all']
  const entries = (await git(repository, ['status', '--porcelain=v1', '-z', ...which]))
    .split('\0')
    .filter(Boolean)
  const paths = (isTracked: boolean) =>
    entries.filter((entry) => /^[^?!]/.test(entry) === isTracked).map((entry) => entry.slice(3))
  return { modified: paths(true), untracked: paths(false) }
}

const TELEC_IDENTITY = ['-c', 'user.name=telec', '-c', 'user.email=telec@localhost']

/** Puts local changes aside as a commit, and returns its ref. Done again after a kill, it puts aside what was left. */
export async function stashPaths(
  repository: Repository,
  { modified, untracked }: LocalChanges,
): Promise<string> {
  const indexFile = join(repository.gitDir, 'telec-stash-index') // git's own has what a person staged
  const env = { GIT_INDEX_FILE: indexFile }
  const of = (paths: readonly string[]) => ({ input: paths.map((path) => `${path}\0`).join('') })
  const fromInput = ['--pathspec-from-file=-', '--pathspec-file-nul']
  const literal = (args: readonly string[]) => ['--literal-pathspecs', ...args]
  const removeIndex = () => removeFiles(repository, [indexFile, `${indexFile}.lock`])
  await removeIndex()
  try {
    await git(repository, ['read-tree', 'HEAD'], { env })
    const all = { ...of([...modified, ...untracked]), env }
    await git(repository, literal(['add', '--force', '--all', ...fromInput]), all)
    const tree = (await git(repository, ['write-tree'], { env })).trim()
    const message = 'Local changes that an update would have overwritten'
    const commit = [...TELEC_IDENTITY, 'commit-tree', '-p', 'HEAD', '-m', message, tree]
    const ref = await keepCommit(repository, 'stash', (await git(repository, commit)).trim())
    const restore = ['restore', '--source=HEAD', '--staged', '--worktree', ...fromInput]
    if (modified.length > 0) await git(repository, literal(restore), of(modified))
    const inTheWay = untracked.map((path) => join(repository.workTree, path))
    await removeFiles(repository, inTheWay)
    return ref
  } finally {
    await removeIndex()
  }
}
