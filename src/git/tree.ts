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
 * link, what it leads to counts, too.
 */
export async function differingFiles(
  { repository, commit, files }: Committed,
  paths: readonly string[],
): Promise<string[]> {
  const root = realpathSync(repository.workTree)
  const changes: Change[] = []
  const targets = new Map<string, string>()
  for (const path of paths) {
    const after = files.get(path) ?? null
    changes.push({ path, before: null, after })
    if (after?.mode !== LINK || !existsSync(join(root, path))) continue
    const target = relative(root, realpathSync(join(root, path)))
    const isInside = !target.startsWith('../')
    const entry = isInside ? ((await list(repository, commit, target)).get(target) ?? null) : null
    targets.set(path, target)
    changes.push({ path: target, before: null, after: entry })
  }
  const found = await standings(repository, changes)
  const isSame = (path: string | undefined) => path === undefined || found.get(path) === 'after'
  return paths.filter((path) => !isSame(path) || !isSame(targets.get(path)))
}

/** How a file differs from the commit, for people. */
export async function differenceOf({ repository, commit }: Committed, path: string): Promise<string> {
  const options = ['--no-color', '--no-ext-diff', '--no-textconv', '--unified=0']
  return (await answerOf(repository, ['diff', ...options, commit, '--', `:(top,literal)${path}`])) ?? ''
}

async function list(repository: Repository, commit: string, path: string): Promise<Map<string, TreeEntry>> {
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
