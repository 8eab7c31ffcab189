import { existsSync, lstatSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { gitAt, TelecError } from '../../system/errors.ts'
import { lstat } from '../../system/files.ts'
import { printableName } from '../../system/log.ts'
import { count } from '../../system/plural.ts'
import { changesBetween } from '../changes.ts'
import { hasCommit } from '../checkout.ts'
import { moveAway, removeTree } from '../checkout-files.ts'
import { git } from '../git.ts'
import { inTheWay, localChanges, stashPaths } from '../local-changes.ts'
import type { Repository } from '../repository.ts'
import { bringCommit } from './remote.ts'
import {
  hasBranches,
  placeOf,
  repositoryOf,
  type Submodule,
  type SubmoduleUpdate,
  sameIn,
  submodulesOf,
} from './submodule.ts'

/** Files in the way of a move; `paths`: local changes among them. */
interface Obstacle {
  readonly paths: readonly string[]
  clear(): Promise<void>
}

/**
 * Before the checkout moves: clears the work trees of submodules that the new commit lacks, which git would not remove, and
 * files in the way of those that move. Local changes are kept. Throws `halted` before it touches anything where local
 * changes are in the way.
 */
export async function clearWay(update: SubmoduleUpdate, from: string): Promise<void> {
  await clear(update, await obstaclesBelow(update, update.checkout, from, update.target))
}

/** Does the same before a submodule moves. */
export async function clearSubmodule(
  update: SubmoduleUpdate,
  own: Repository,
  commit: string,
): Promise<void> {
  await clear(update, await obstaclesIn(update, own, commit))
}

async function clear(update: SubmoduleUpdate, obstacles: readonly Obstacle[]): Promise<void> {
  const paths = obstacles.flatMap((obstacle) => obstacle.paths)
  if (paths.length > 0 && !update.mayStash) throw wouldOverwrite(update.checkout, paths)
  for (const obstacle of obstacles) await obstacle.clear()
}

async function obstaclesBelow(
  update: SubmoduleUpdate,
  repository: Repository,
  from: string,
  to: string,
): Promise<Obstacle[]> {
  const after = await submodulesOf(repository, to)
  const found: Obstacle[] = []
  for (const submodule of await submodulesOf(repository, from)) {
    const next = sameIn(after, submodule)
    if (!next) found.push(...(await removedSubmodule(update, submodule)))
    else if (next.commit !== submodule.commit && placeOf(next) === 'its work tree') {
      const own = repositoryOf(next)
      if (!(await hasCommit(own, 'HEAD'))) continue // git cannot use it: a later step clones it again
      // A new URL is used later, when its .gitmodules is checked out.
      if (update.remote !== null && next.url === submodule.url) await bringCommit(update, next)
      found.push(...(await obstaclesIn(update, own, next.commit)))
    }
  }
  return found
}

/** The obstacles in a submodule that moves to a commit: all local changes where the commit is still missing. */
async function obstaclesIn(update: SubmoduleUpdate, own: Repository, commit: string): Promise<Obstacle[]> {
  const isHere = await hasCommit(own, commit)
  const below = isHere ? await obstaclesBelow(update, own, 'HEAD', commit) : []
  if (update.interrupted) return below // its files may be half-way: the move itself checks them
  const local = await localChanges(own)
  const found = isHere
    ? await inTheWay(own, local, await changesBetween(own, 'HEAD', commit))
    : { modified: [...local.keys()], untracked: [], isStaged: true }
  const paths = [...found.modified, ...found.untracked].map((name) =>
    nameOf(update, join(own.workTree, name)),
  )
  if (paths.length === 0) return below
  return [{ paths, clear: () => stashPaths(own, found, update.report) }, ...below]
}

/** The work tree of a submodule that the new commit lacks: removed where it is clean, else moved away. */
async function removedSubmodule(update: SubmoduleUpdate, submodule: Submodule): Promise<Obstacle[]> {
  const { checkout } = update
  const place = placeOf(submodule)
  if (place === 'empty' || place === 'behind a link') return []
  const folder = join(submodule.parent.workTree, submodule.path)
  const moveFolder = () => moveOut(update, folder)
  // A folder may have the target's own files already: the move itself checks the others.
  if (place === 'something else' && update.interrupted && lstatSync(folder).isDirectory()) return []
  if (place === 'something else') return [{ paths: [], clear: moveFolder }]
  const changes = await changesBelow(submodule)
  // .git last: after a kill it tells that the folder is the submodule's.
  const names = readdirSync(folder).filter((name) => name !== '.git')
  const remove = async () => removeTree(checkout, ...names.map((name) => join(folder, name)), folder)
  const clear = changes?.isClean ? remove : moveFolder
  return [{ paths: (changes?.modified ?? []).map((path) => nameOf(update, path)), clear }]
}

/** Existing files with local changes in a submodule and those below it. `isClean`: no untracked ones either; null: git cannot tell. */
async function changesBelow(submodule: Submodule): Promise<{ modified: string[]; isClean: boolean } | null> {
  const own = repositoryOf(submodule)
  // A repository in the work tree would be removed too.
  if (own.gitDir === join(own.workTree, '.git') || !(await hasCommit(own, 'HEAD'))) return null
  const changed = [...(await localChanges(own)).keys()].map((path) => join(own.workTree, path))
  const modified = changed.filter((path) => lstat(path))
  let isClean = modified.length === 0 && (await git(own, ['ls-files', '--others'])) === ''
  for (const nested of await submodulesOf(own, 'HEAD')) {
    if (placeOf(nested) === 'empty') continue
    const more = placeOf(nested) === 'its work tree' ? await changesBelow(nested) : null
    if (!more) return null
    modified.push(...more.modified)
    isClean &&= more.isClean
  }
  return { modified, isClean }
}

/** Makes room for a clone: at the submodule's path, and in .git/modules where the repository has no HEAD. */
export async function clearPlace(update: SubmoduleUpdate, submodule: Submodule): Promise<void> {
  const { checkout } = update
  const own = repositoryOf(submodule)
  if (existsSync(own.gitDir) && !(await hasCommit(own, 'HEAD'))) {
    if (hasBranches(own)) await moveOut(update, own.gitDir)
    else removeTree(checkout, own.gitDir)
  }
  if (placeOf(submodule) !== 'something else') return
  const { workTree } = own
  const isFolder = lstatSync(workTree).isDirectory()
  // Its .git names a missing repository.
  const isEmpty = isFolder && readdirSync(workTree).every((name) => name === '.git')
  if (isEmpty) removeTree(checkout, workTree)
  else await moveOut(update, workTree)
}

function moveOut({ checkout, target, report }: SubmoduleUpdate, path: string): Promise<void> {
  return moveAway(checkout, path, target.slice(0, 12), report)
}

/** The path from the checkout. */
function nameOf({ checkout }: SubmoduleUpdate, path: string): string {
  return printableName(relative(checkout.workTree, path))
}

function wouldOverwrite({ workTree }: Repository, paths: readonly string[]): TelecError {
  const message = `the update would overwrite ${count(paths.length, 'local file')} in submodules`
  return new TelecError('halted', message, {
    because: paths.join('\n'),
    hint: `commit and push them, or move them away (${gitAt(workTree)} submodule foreach git status); or stash them: telec-update --stash`,
    retryCommand: 'telec-update --stash',
  })
}
