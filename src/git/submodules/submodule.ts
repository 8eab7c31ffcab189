import { existsSync, readdirSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { lstat, readPlainText } from '../../system/files.ts'
import { isSamePlace } from '../../system/places.ts'
import { entriesOf, SUBMODULE } from '../changes.ts'
import { filesBelow } from '../checkout-files.ts'
import { answerOf } from '../git.ts'
import { foldersOf } from '../names.ts'
import type { Repository } from '../repository.ts'

/** One update of all submodules of a checkout to a commit of it. */
export interface SubmoduleUpdate {
  readonly checkout: Repository
  readonly target: string
  /** Submodules may use only the transport of this remote; null: nothing is fetched. */
  readonly remote: string | null
  /** An earlier update to the target was stopped, and may be half-way. */
  readonly interrupted: boolean
  /** A user asked to stash local changes. */
  readonly mayStash: boolean
  /** Records local changes in the way, and where they are kept. */
  report(kept: string): Promise<void>
}

/** An entry of a commit's .gitmodules. */
export interface Submodule {
  readonly parent: Repository
  readonly name: string
  readonly path: string
  /** As in .gitmodules, perhaps relative. */
  readonly url: string
  readonly commit: string
}

/** Whether the checked out commit has submodules. */
export function hasSubmodules({ workTree }: Repository): boolean {
  return existsSync(join(workTree, '.gitmodules'))
}

/** The submodules that a commit has both in its tree and in .gitmodules. None where the commit is missing. */
export async function submodulesOf(repository: Repository, commit: string): Promise<Submodule[]> {
  const list = ['config', '--blob', `${commit}:.gitmodules`, '--null', '--get-regexp', '^submodule\\.']
  const settings = new Map<string, string>()
  for (const entry of ((await answerOf(repository, list)) ?? '').split('\0').filter(Boolean)) {
    const end = entry.indexOf('\n')
    settings.set(entry.slice(0, end), entry.slice(end + 1))
  }
  const modules = [...settings].flatMap(([key, path]) => {
    const [, name] = /^submodule\.(.+)\.path$/s.exec(key) ?? []
    // git refuses such a name too: its folder would be outside of .git/modules.
    if (name === undefined || name.split(/[/\\]/).includes('..')) return []
    return [{ parent: repository, name, path, url: settings.get(`submodule.${name}.url`) ?? '' }]
  })
  if (modules.length === 0) return []
  const paths = modules.map(({ path }) => `:(literal)${path}`)
  const entries = await entriesOf(repository, commit, paths)
  return modules.flatMap((module) => {
    const entry = entries.get(module.path)
    return entry?.mode === SUBMODULE ? [{ ...module, commit: entry.id }] : []
  })
}

/** The submodule of the same name and path, and so with the same repository. */
export function sameIn(submodules: readonly Submodule[], { name, path }: Submodule): Submodule | undefined {
  return submodules.find((one) => one.name === name && one.path === path)
}

/** The thing at a submodule's path. `behind a link`: a folder above it is a link, and telec would change files elsewhere. */
export type Place = 'empty' | 'its work tree' | 'something else' | 'behind a link'

export function placeOf({ parent, name, path }: Submodule): Place {
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
  const isOwn = gitDir !== undefined && existsSync(own) && isSamePlace(resolve(folder, gitDir), own)
  if (isOwn) return 'its work tree'
  return readdirSync(folder).length === 0 ? 'empty' : 'something else'
}

/** The repository of a submodule. */
export function repositoryOf({ parent, name, path }: Submodule): Repository {
  const workTree = join(parent.workTree, path)
  const dotGit = join(workTree, '.git')
  // It is in the work tree where git before 1.7.8 made it, or a user made a clone a submodule.
  const gitDir = lstat(dotGit)?.isDirectory() ? dotGit : join(parent.gitDir, 'modules', name)
  return { ...parent, workTree, gitDir, commonDir: gitDir }
}

/** The commit of HEAD; null where it is missing, for example during a clone. */
export async function headOf(repository: Repository): Promise<string | null> {
  const head = await answerOf(repository, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'])
  return head?.trim() ?? null
}

/** git writes the index after the files: without an index a checkout of the submodule never ended. */
export function indexOf({ gitDir }: Repository): string {
  return join(gitDir, 'index')
}

/** Whether a repository that git cannot use may have commits of a user: a killed clone has no branch yet. */
export function hasBranches({ gitDir }: Repository): boolean {
  const packed = readPlainText(join(gitDir, 'packed-refs')) ?? ''
  const loose = filesBelow(join(gitDir, 'refs'), /./).map((path) => ` ${relative(gitDir, path)}`)
  return [packed, ...loose].some((names) => / refs\/(heads\/|stash|telec\/)/.test(names))
}
