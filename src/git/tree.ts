import { existsSync, realpathSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Change, TreeEntry } from './changes.ts'
import { LINK, SUBMODULE, standings } from './content.ts'
import { answerOf, git } from './git.ts'
import { locateRepository, type Repository } from './repository.ts'

/** Files of a commit by their paths in the work tree; the repository is that of a submodule where they lie in one. */
export interface Committed {
  readonly repository: Repository
  readonly commit: string
  /** What the paths begin with: empty, or a folder with its slash. */
  readonly prefix: string
  readonly files: ReadonlyMap<string, TreeEntry>
}

/** What a commit has below a folder of the work tree, links on the way there followed. By its trees, whatever the disk has. */
export async function committedBelow(
  repository: Repository,
  commit: string,
  folder: string,
): Promise<Committed> {
  const root = realpathSync(repository.workTree)
  const below = relative(root, existsSync(folder) ? realpathSync(folder) : folder)
  const parts = below.split('/')
  for (let count = 1; count <= parts.length && below !== ''; count += 1) {
    const place = parts.slice(0, count).join('/')
    if (!existsSync(join(root, place, '.git'))) continue
    const { mode, id } = (await list(repository, commit, place)).get(place) ?? {}
    if (mode !== SUBMODULE || id === undefined) break
    return committedBelow(locateRepository(repository.world, join(repository.workTree, place)), id, folder)
  }
  const prefix = below === '' ? '' : `${below}/`
  return { repository, commit, prefix, files: await list(repository, commit, prefix) }
}

/**
 * Which of these files are not on the disk as the commit has them, compared as git does: by its filters. Where one is a
 * link, all that it leads to counts, too; only where `isOwn`, that has to be the commit's. A submodule has a commit of its own.
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
    parts.set(
      path,
      compared.map(([name]) => name),
    )
  }
  const found = await standings(repository, [...changes.values()])
  return paths.filter((path) => parts.get(path)?.some((name) => found.get(name) !== 'after'))
}

/** Where a path of the work tree leads by its links, from the root of that; null where there is nothing. */
function targetOf({ workTree }: Repository, path: string): string | null {
  const place = join(workTree, path)
  return existsSync(place) ? relative(realpathSync(workTree), realpathSync(place)) : null
}

/** How a file, or what it leads to, differs from the commit, for people. */
export async function differenceOf({ repository, commit }: Committed, path: string): Promise<string> {
  const options = ['--no-color', '--no-ext-diff', '--no-textconv', '--unified=0']
  const target = targetOf(repository, path) ?? path
  if (isOutside(target)) return `it leads to ${join(repository.workTree, target)}, which no commit has`
  const both = [...new Set([path, target])].map((name) => `:(top,literal)${name}`)
  return (await answerOf(repository, ['diff', ...options, commit, '--', ...both])) ?? ''
}

function isOutside(path: string): boolean {
  return /^\.\.(\/|$)/.test(path)
}

async function list(repository: Repository, commit: string, path: string): Promise<Map<string, TreeEntry>> {
  if (isOutside(path)) return new Map()
  const where = path === '' ? [] : [path]
  const output = await git(repository, ['ls-tree', '-r', '-z', '--full-tree', commit, '--', ...where])
  const found = output.split('\0').map((line) => /^(\d+) \w+ (\w+)\t(.*)$/s.exec(line) ?? [])
  return new Map(
    found.flatMap(([, mode, id, name]) => (mode && id && name !== undefined ? [[name, { mode, id }]] : [])),
  )
}

/** Writes all files of a commit into an empty folder, as a checkout would; the index and the work tree stay as they are. */
export async function exportTree(repository: Repository, commit: string, folder: string): Promise<void> {
  const env = { GIT_INDEX_FILE: join(folder, '.telec-index') }
  await git(repository, ['read-tree', commit], { env })
  await git(repository, ['checkout-index', '--all', '--quiet', `--prefix=${folder}/`], { env })
  rmSync(env.GIT_INDEX_FILE)
}
