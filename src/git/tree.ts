import { existsSync, realpathSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { realPath } from '../system/places.ts'
import { type Change, diskStates, entriesOf, LINK, SUBMODULE, type TreeEntry } from './changes.ts'
import { answerOf, git } from './git.ts'
import { locateRepository, type Repository } from './repository.ts'

/** Files of a commit by their paths in the work tree, in the repository of their submodule if they lie in one. */
export interface Committed {
  readonly repository: Repository
  readonly commit: string
  /** The beginning of each path: empty, or a folder with its slash. */
  readonly prefix: string
  readonly files: ReadonlyMap<string, TreeEntry>
}

/** The files of a commit below a folder of the work tree, by the commit's trees. Links to the folder are followed. */
export async function committedBelow(
  repository: Repository,
  commit: string,
  folder: string,
): Promise<Committed> {
  const root = realpathSync(repository.workTree)
  const below = relative(root, realPath(folder) ?? folder)
  const parts = below.split('/')
  for (let length = 1; length <= parts.length && below !== ''; length += 1) {
    const place = parts.slice(0, length).join('/')
    if (!existsSync(join(root, place, '.git'))) continue
    const { mode, id } = (await list(repository, commit, place)).get(place) ?? {}
    if (mode !== SUBMODULE || id === undefined) break
    return committedBelow(locateRepository(repository.world, join(repository.workTree, place)), id, folder)
  }
  const prefix = below === '' ? '' : `${below}/`
  return { repository, commit, prefix, files: await list(repository, commit, prefix) }
}

/**
 * The files that differ from the commit on the disk, after git's filters. For a link the files at its target are compared
 * too; the commit must have the target only where `isOwn`. Submodules are left out.
 */
export async function differingFiles(
  { repository, commit, files }: Committed,
  paths: readonly string[],
  isOwn: (path: string) => boolean,
): Promise<string[]> {
  const changes = new Map<string, Change>()
  const parts = new Map<string, string[]>()
  for (const path of paths) {
    const after = files.get(path) ?? null
    const target = after?.mode === LINK ? targetOf(repository, path) : null
    const found = target === null ? [] : [...(await list(repository, commit, target))]
    const isForeign = target !== null && found.length === 0 && isOwn(path)
    const all = [[path, after] as const, ...found, ...(isForeign ? [[target, null] as const] : [])]
    const compared = all.filter(([, entry]) => entry?.mode !== SUBMODULE)
    for (const [name, entry] of compared) changes.set(name, { path: name, before: null, after: entry })
    const names = compared.map(([name]) => name)
    parts.set(path, names)
  }
  const states = await diskStates(repository, [...changes.values()])
  return paths.filter((path) => parts.get(path)?.some((name) => states.get(name) !== 'after'))
}

/** The path after all links, from the root of the work tree; null where it does not exist. */
function targetOf({ workTree }: Repository, path: string): string | null {
  const place = join(workTree, path)
  return existsSync(place) ? relative(realpathSync(workTree), realpathSync(place)) : null
}

/** The difference of a file, or of its target, from the commit, as text. */
export async function differenceOf({ repository, commit }: Committed, path: string): Promise<string> {
  const options = ['--no-color', '--no-ext-diff', '--no-textconv', '--unified=0']
  const target = targetOf(repository, path) ?? path
  if (isOutside(target)) return `it links to ${join(repository.workTree, target)}, outside of the checkout`
  const both = [...new Set([path, target])].map((name) => `:(top,literal)${name}`)
  return (await answerOf(repository, ['diff', ...options, commit, '--', ...both])) ?? ''
}

function isOutside(path: string): boolean {
  return /^\.\.(\/|$)/.test(path)
}

async function list(repository: Repository, commit: string, path: string): Promise<Map<string, TreeEntry>> {
  if (isOutside(path)) return new Map()
  return entriesOf(repository, commit, path === '' ? [] : [path])
}

/** Writes all files of a commit into an empty folder; the index and the work tree do not change. */
export async function exportTree(repository: Repository, commit: string, folder: string): Promise<void> {
  const env = { GIT_INDEX_FILE: join(folder, '.telec-index') }
  await git(repository, ['read-tree', commit], { env })
  await git(repository, ['checkout-index', '--all', '--quiet', `--prefix=${folder}/`], { env })
  rmSync(env.GIT_INDEX_FILE)
}
