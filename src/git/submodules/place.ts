import { existsSync, lstatSync, readdirSync, realpathSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { readPlainText } from '../../system/files.ts'
import { answerOf } from '../git.ts'
import { filesBelow } from '../leftovers.ts'
import { foldersOf } from '../names.ts'
import type { Repository } from '../repository.ts'
import type { Submodule } from './named.ts'

/**
 * What is at a submodule's path. `behind a link`: somebody replaced a folder above it, and what telec moves or removes
 * there would be elsewhere.
 */
export type Place = 'empty' | 'its work tree' | 'something else' | 'behind a link'

export function placeOf(parent: Repository, { name, path }: Submodule): Place {
  for (const above of foldersOf(path).filter(Boolean)) {
    const stat = lstat(join(parent.workTree, above))
    if (!stat) return 'empty'
    if (!stat.isDirectory()) return 'behind a link'
  }
  const folder = join(parent.workTree, path)
  const stat = lstat(folder)
  if (!stat) return 'empty'
  if (!stat.isDirectory()) return 'something else'
  const dotGit = join(folder, '.git')
  if (lstat(dotGit)?.isDirectory())
    return existsSync(join(dotGit, 'HEAD')) ? 'its work tree' : 'something else'
  const [, gitDir] = /^gitdir: (.+)\n?$/.exec(readPlainText(dotGit) ?? '') ?? []
  const own = join(parent.gitDir, 'modules', name)
  const isItsOwn = gitDir !== undefined && existsSync(own) && isSame(resolve(folder, gitDir), own)
  if (isItsOwn) return 'its work tree'
  return readdirSync(folder).length === 0 ? 'empty' : 'something else'
}

/** The repository of a submodule, as telec gives it to git. */
export function repositoryOf(parent: Repository, { name, path }: Submodule): Repository {
  const workTree = join(parent.workTree, path)
  const dotGit = join(workTree, '.git')
  // Before git 1.7.8 it was there, and where a person made the submodule of a clone it is there today.
  const gitDir = lstat(dotGit)?.isDirectory() ? dotGit : join(parent.gitDir, 'modules', name)
  return { ...parent, workTree, gitDir, commonDir: gitDir }
}

/** The commit that its HEAD names; null: none that is here, as while git clones it. */
export async function headOf(repository: Repository): Promise<string | null> {
  const head = await answerOf(repository, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'])
  return head?.trim() ?? null
}

/** git writes the index after the files: without one, a submodule has never been checked out wholly. */
export function indexOf({ gitDir }: Repository): string {
  return join(gitDir, 'index')
}

/** Whether there can be something of a person in a repository that git cannot use: a clone that was killed has no branch yet. */
export function hasBranches({ gitDir }: Repository): boolean {
  const packed = readPlainText(join(gitDir, 'packed-refs')) ?? ''
  const loose = filesBelow(join(gitDir, 'refs'), /./).map((path) => ` ${relative(gitDir, path)}`)
  return [packed, ...loose].some((names) => / refs\/(heads\/|stash|telec\/)/.test(names))
}

function lstat(path: string) {
  return lstatSync(path, { throwIfNoEntry: false })
}

function isSame(one: string, other: string): boolean {
  return existsSync(one) && realpathSync(one) === realpathSync(other)
}
