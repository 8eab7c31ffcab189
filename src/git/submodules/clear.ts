import { existsSync, lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { TelecError } from '../../system/errors.ts'
import { printableName } from '../../system/log.ts'
import { putAside, removeTree } from '../aside.ts'
import { changesBetween } from '../changes.ts'
import { hasCommit } from '../checkout.ts'
import { git } from '../git.ts'
import { removeFiles } from '../leftovers.ts'
import { localChanges, stashPaths, untrackedInTheWay } from '../local-changes.ts'
import { foldersOf } from '../names.ts'
import type { Repository } from '../repository.ts'
import type { Following } from './following.ts'
import { type Submodule, sameIn, submodulesOf } from './named.ts'
import { hasBranches, indexOf, isWhole, placeOf, repositoryOf } from './place.ts'
import { bringCommit } from './remote.ts'

/**
 * Before a repository moves: takes away work trees of submodules that are none after it, which git would leave in the way.
 * Nothing of anybody's is removed. Throws `halted` where that, or moving a submodule, would overwrite local changes.
 */
export async function clearWay(
  following: Following,
  repository: Repository,
  from: string,
  to: string,
): Promise<void> {
  const after = await submodulesOf(repository, to)
  for (const submodule of await submodulesOf(repository, from)) {
    const next = sameIn(after, submodule)
    if (!next) await vacate(following, repository, submodule)
    else if (next.commit !== submodule.commit && placeOf(repository, next) === 'its work tree') {
      const own = repositoryOf(repository, next)
      // One that is broken, or gets another URL, is looked at when the new .gitmodules is there.
      if (next.url !== submodule.url || !(await isWhole(own, next.commit))) continue
      if (following.remote !== null) await bringCommit(following, own, next)
      if (await hasCommit(own, next.commit)) await clearFiles(following, own, next)
    }
  }
}

/** Removes the work tree of a submodule that is none any more; with anything of a service or person in it, it is put aside. */
async function vacate(following: Following, parent: Repository, submodule: Submodule): Promise<void> {
  const { checkout, target } = following
  const place = placeOf(parent, submodule)
  if (place === 'empty' || place === 'behind a link') return
  const folder = join(parent.workTree, submodule.path)
  if (place === 'something else') {
    // A folder may have the target's own files already: what is in their way the move itself looks at.
    const isMoving = following.interrupted && lstatSync(folder).isDirectory()
    return isMoving ? undefined : putAside(checkout, folder, target)
  }
  const own = repositoryOf(parent, submodule)
  const changes = await changesBelow(parent, submodule)
  if (changes && changes.modified.length > 0 && !following.mayStash)
    throw wouldOverwrite(checkout, changes.modified)
  await removeFiles(parent, [indexOf(own)]) // it tells of a work tree that is gone
  const isClean = changes && changes.modified.length + changes.untracked.length === 0
  await (isClean ? removeTree(checkout, folder) : putAside(checkout, folder, target))
}

interface Found {
  readonly modified: string[]
  readonly untracked: string[]
}

/** What differs from its commits in a submodule and those below it, files that are gone left out; null: git cannot tell. */
async function changesBelow(parent: Repository, submodule: Submodule): Promise<Found | null> {
  const own = repositoryOf(parent, submodule)
  // A repository inside of its work tree would go with it.
  if (own.gitDir === join(own.workTree, '.git') || !(await isWhole(own, submodule.commit))) return null
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
  const { checkout, target } = following
  const own = repositoryOf(parent, submodule)
  if (existsSync(own.gitDir) && !(await isWhole(own, submodule.commit)))
    await (hasBranches(own) ? putAside(checkout, own.gitDir, target) : removeTree(checkout, own.gitDir))
  if (placeOf(parent, submodule) !== 'something else') return
  const { workTree } = own
  const isFolder = lstatSync(workTree).isDirectory()
  // Nothing but the name of a repository that is not there any more.
  const isEmpty = isFolder && readdirSync(workTree).every((name) => name === '.git')
  await (isEmpty ? removeTree(checkout, workTree) : putAside(checkout, workTree, target))
}

/** Throws `halted` where moving a submodule would overwrite local changes, or puts them aside where that is allowed. */
export async function clearFiles(
  following: Following,
  own: Repository,
  { path, commit }: Submodule,
): Promise<void> {
  const changes = await changesBetween(own, 'HEAD', commit)
  const touched = new Set(changes.map((change) => change.path))
  const folders = new Set([...touched].flatMap(foldersOf))
  const isTouched = (name: string) =>
    folders.has(name) || [name, ...foldersOf(name)].some((one) => touched.has(one))
  const modified = [...(await localChanges(own)).keys()].filter(isTouched)
  const untracked = untrackedInTheWay(own, changes, (name) => name)
  const paths = [...modified, ...untracked].map((name) => join(path, name))
  if (paths.length === 0) return
  if (!following.mayStash) throw wouldOverwrite(following.checkout, paths)
  await stashPaths(own, modified, untracked, async (ref) => {
    const back = `git -C ${own.workTree} cherry-pick --no-commit ${ref}`
    following.kept.push(`${paths.map(printableName).join(', ')}; to have them back: ${back}`)
  })
}

function wouldOverwrite({ workTree }: Repository, paths: readonly string[]): TelecError {
  return new TelecError('halted', `the update would overwrite ${paths.length} local file(s) in submodules`, {
    because: paths.map(printableName).join('\n'),
    hint: `commit and push them, or move them away (git -C ${workTree} submodule foreach git status); or let telec put them aside: telec-update --stash`,
    goOn: 'telec-update --stash',
  })
}
