import { existsSync, lstatSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { TelecError } from '../../system/errors.ts'
import { printableName } from '../../system/log.ts'
import { changesBetween } from '../changes.ts'
import { hasCommit } from '../checkout.ts'
import { git } from '../git.ts'
import { putAside, removeTree } from '../leftovers.ts'
import { allOf, inTheWay, localChanges, stashPaths } from '../local-changes.ts'
import type { Repository } from '../repository.ts'
import type { Following } from './following.ts'
import { type Submodule, sameIn, submodulesOf } from './named.ts'
import { hasBranches, placeOf, repositoryOf } from './place.ts'
import { bringCommit } from './remote.ts'

/** What is where a repository, or a submodule in it, is to move; `paths`: local changes that clearing it takes away. */
interface Obstacle {
  readonly paths: readonly string[]
  clear(): Promise<void>
}

/**
 * Before a repository moves: takes away work trees of submodules that are none after it, which git would leave in the way, and
 * files in those that move. Nothing of anybody's is removed. Throws `halted`, before anything is touched, where local changes
 * would be overwritten.
 */
export async function clearWay(
  following: Following,
  repository: Repository,
  from: string,
  to: string,
): Promise<void> {
  await clear(following, await obstaclesBelow(following, repository, from, to))
}

/** The same before a submodule moves. */
export async function clearSubmodule(following: Following, own: Repository, commit: string): Promise<void> {
  await clear(following, await obstaclesIn(following, own, commit))
}

async function clear(following: Following, obstacles: readonly Obstacle[]): Promise<void> {
  const paths = obstacles.flatMap((obstacle) => obstacle.paths)
  if (paths.length > 0 && !following.mayStash) throw wouldOverwrite(following.checkout, paths)
  for (const obstacle of obstacles) await obstacle.clear()
}

async function obstaclesBelow(
  following: Following,
  repository: Repository,
  from: string,
  to: string,
): Promise<Obstacle[]> {
  const after = await submodulesOf(repository, to)
  const found: Obstacle[] = []
  for (const submodule of await submodulesOf(repository, from)) {
    const next = sameIn(after, submodule)
    if (!next) found.push(...(await vacating(following, repository, submodule)))
    else if (next.commit !== submodule.commit && placeOf(repository, next) === 'its work tree') {
      const own = repositoryOf(repository, next)
      if (!(await hasCommit(own, 'HEAD'))) continue // git cannot use it: it is made anew later
      // From another URL it is fetched when the new .gitmodules is there.
      if (following.remote !== null && next.url === submodule.url) await bringCommit(following, own, next)
      found.push(...(await obstaclesIn(following, own, next.commit)))
    }
  }
  return found
}

/** What is in the way of a submodule that moves to a commit, all of its local changes where that has not come yet. */
async function obstaclesIn(following: Following, own: Repository, commit: string): Promise<Obstacle[]> {
  const isHere = await hasCommit(own, commit)
  const below = isHere ? await obstaclesBelow(following, own, 'HEAD', commit) : []
  if (following.interrupted) return below // in its files there may be half of a move, which the move itself looks at
  const local = await localChanges(own)
  const found = isHere
    ? await inTheWay(own, local, await changesBetween(own, 'HEAD', commit), (name) => name)
    : allOf(local)
  const paths = [...found.modified, ...found.untracked].map((name) =>
    nameOf(following, join(own.workTree, name)),
  )
  if (paths.length === 0) return below
  return [{ paths, clear: () => stashPaths(own, found, following.putAside) }, ...below]
}

/** The work tree of a submodule that is none any more: with anything of a service or person in it, it is put aside. */
async function vacating(following: Following, parent: Repository, submodule: Submodule): Promise<Obstacle[]> {
  const { checkout } = following
  const place = placeOf(parent, submodule)
  if (place === 'empty' || place === 'behind a link') return []
  const folder = join(parent.workTree, submodule.path)
  const aside = () => moveOut(following, folder)
  // A folder may have the target's own files already: what is in their way the move itself looks at.
  if (place === 'something else' && following.interrupted && lstatSync(folder).isDirectory()) return []
  if (place === 'something else') return [{ paths: [], clear: aside }]
  const changes = await changesBelow(parent, submodule)
  const isClean = changes && changes.modified.length + changes.untracked.length === 0
  // .git last: by it what a kill leaves is known to be the submodule's.
  const names = readdirSync(folder).filter((name) => name !== '.git')
  const remove = async () => removeTree(checkout, ...names.map((name) => join(folder, name)), folder)
  const clear = isClean ? remove : aside
  return [{ paths: (changes?.modified ?? []).map((path) => nameOf(following, path)), clear }]
}

interface Found {
  readonly modified: string[]
  readonly untracked: string[]
}

/** What differs from its commits in a submodule and those below it, files that are gone left out; null: git cannot tell. */
async function changesBelow(parent: Repository, submodule: Submodule): Promise<Found | null> {
  const own = repositoryOf(parent, submodule)
  // A repository inside of its work tree would go with it.
  if (own.gitDir === join(own.workTree, '.git') || !(await hasCommit(own, 'HEAD'))) return null
  const modified = [...(await localChanges(own)).keys()]
  const untracked = (await git(own, ['ls-files', '-z', '--others'])).split('\0').filter(Boolean)
  const inside = (path: string) => join(own.workTree, path)
  const isThere = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined
  const found = { modified: modified.map(inside).filter(isThere), untracked: untracked.map(inside) }
  for (const nested of await submodulesOf(own, 'HEAD')) {
    if (placeOf(own, nested) === 'empty') continue
    const more = placeOf(own, nested) === 'its work tree' ? await changesBelow(own, nested) : null
    if (!more) return null
    found.modified.push(...more.modified)
    found.untracked.push(...more.untracked)
  }
  return found
}

/** Makes room for a clone: at the submodule's path, and where what was made of its repository is of no use. */
export async function clearPlace(
  following: Following,
  parent: Repository,
  submodule: Submodule,
): Promise<void> {
  const { checkout } = following
  const own = repositoryOf(parent, submodule)
  if (existsSync(own.gitDir) && !(await hasCommit(own, 'HEAD'))) {
    if (hasBranches(own)) await moveOut(following, own.gitDir)
    else removeTree(checkout, own.gitDir)
  }
  if (placeOf(parent, submodule) !== 'something else') return
  const { workTree } = own
  const isFolder = lstatSync(workTree).isDirectory()
  // Nothing but the name of a repository that is not there any more.
  const isEmpty = isFolder && readdirSync(workTree).every((name) => name === '.git')
  if (isEmpty) removeTree(checkout, workTree)
  else await moveOut(following, workTree)
}

function moveOut({ checkout, target, putAside: tell }: Following, path: string): Promise<void> {
  return putAside(checkout, path, target.slice(0, 12), tell)
}

/** As a person finds it in the checkout. */
function nameOf({ checkout }: Following, path: string): string {
  return printableName(relative(checkout.workTree, path))
}

function wouldOverwrite({ workTree }: Repository, paths: readonly string[]): TelecError {
  return new TelecError('halted', `the update would overwrite ${paths.length} local file(s) in submodules`, {
    because: paths.join('\n'),
    hint: `commit and push them, or move them away (git -C ${workTree} submodule foreach git status); or let telec put them aside: telec-update --stash`,
    retryCommand: 'telec-update --stash',
  })
}
