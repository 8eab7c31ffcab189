import { existsSync } from 'node:fs'
import { changesBetween } from '../changes.ts'
import { hasCommit, isAncestor, keepCommit } from '../checkout.ts'
import { SUBMODULE, standings } from '../content.ts'
import { git } from '../git.ts'
import { removeFiles } from '../leftovers.ts'
import { fetchLargeFiles } from '../lfs.ts'
import { keepAll } from '../local-changes.ts'
import { moveTo, undoMove } from '../move.ts'
import type { Repository } from '../repository.ts'
import { hasLargeFiles } from '../target.ts'
import { clearPlace, clearSubmodule } from './clear.ts'
import type { Following } from './following.ts'
import { hasSubmodules, type Submodule, sameIn, submodulesOf } from './named.ts'
import { headOf, indexOf, placeOf, repositoryOf } from './place.ts'
import { bringCommit, cloneMissing, initialize, syncUrls } from './remote.ts'

/**
 * Brings the submodules of the commit that is checked out to the commits that it names. What is done is found by looking,
 * so that a kill at any point is gone on from by doing it again. A commit chooses the URLs: it cannot make telec read local
 * paths or other hosts' services, since only the transport of the remote itself is allowed.
 *
 * @param before what was there before an update that is gone on with: what differs may be half-way; null: it begins here
 */
export async function followSubmodules(
  following: Following,
  repository: Repository,
  commit: string,
  before: readonly Submodule[] | null,
): Promise<void> {
  const submodules = await submodulesOf(repository, commit)
  const lastOf = (submodule: Submodule) => before && sameIn(before, submodule)
  const isHalfWay = (submodule: Submodule) =>
    before !== null && lastOf(submodule)?.commit !== submodule.commit
  const isDone = async (submodule: Submodule) => !isHalfWay(submodule) && (await isAt(repository, submodule))
  const isThere = (submodule: Submodule) => placeOf(repository, submodule) === 'its work tree'

  // First: at one that is no repository any more every git submodule ends.
  for (const submodule of submodules)
    if (!(await isDone(submodule))) await clearPlace(following, repository, submodule)
  if (following.remote !== null) await syncUrls(following, repository)
  const missing = submodules.filter((submodule) => !isThere(submodule))
  for (const submodule of submodules.filter(isThere)) await follow(submodule)
  if (missing.length === 0 || following.remote === null) return
  await initialize(following, repository)
  for (const submodule of missing) {
    await cloneMissing(following, repository, submodule)
    if (isThere(submodule)) await follow(submodule)
  }

  async function follow(submodule: Submodule): Promise<void> {
    const own = repositoryOf(repository, submodule)
    const last = lastOf(submodule)
    const hasMoved = (await isDone(submodule)) || (await move(following, own, submodule, last))
    if (!hasMoved || !hasSubmodules(own)) return
    const below = last ? await submodulesOf(own, last.commit) : []
    await followSubmodules(following, own, submodule.commit, isHalfWay(submodule) ? below : null)
  }
}

/** Whether a submodule is at its commit, as far as its index and HEAD say. */
async function isAt(parent: Repository, submodule: Submodule): Promise<boolean> {
  const own = repositoryOf(parent, submodule)
  const isCheckedOut = placeOf(parent, submodule) === 'its work tree' && existsSync(indexOf(own))
  return isCheckedOut && (await headOf(own)) === submodule.commit
}

/** Moves a submodule to its commit. @returns false where the commit is not here, and the remote not asked. */
async function move(
  following: Following,
  own: Repository,
  submodule: Submodule,
  last: Submodule | null | undefined,
): Promise<boolean> {
  const { commit } = submodule
  if (following.remote !== null) {
    const remote = await bringCommit(following, own, submodule)
    if (await hasLargeFiles(own, commit)) await fetchLargeFiles(own, remote, commit)
  } else if (!(await hasCommit(own, commit))) return false
  const head = await headOf(own)
  const { putAside } = following
  const bringMore = async () => undefined
  const isCheckedOut = existsSync(indexOf(own))
  if (head !== null && head !== commit && isCheckedOut) {
    if (head !== last?.commit) await keepHead(following, own, head, commit)
    await clearSubmodule(following, own, commit)
    const { interrupted } = following
    await moveTo(own, { branch: null, commit, interrupted, bringMore, putAside })
  } else if (head === commit && isCheckedOut && last && (await hasCommit(own, last.commit))) {
    await undoMove(own, { commit: last.commit, bringMore, putAside })
  } else await completeClone(own, commit, putAside)
  return true
}

/** Commits that a person made on no branch would be forgotten. */
async function keepHead(following: Following, own: Repository, head: string, commit: string): Promise<void> {
  const onRefs = ['for-each-ref', '--count=1', '--contains', head]
  if ((await isAncestor(own, head, commit)) || (await git(own, onRefs)) !== '') return
  const ref = await keepCommit(own, 'rescued', head)
  await following.putAside(`${head.slice(0, 12)} of ${own.workTree}, which is on no branch; kept as ${ref}`)
}

/** Writes all files where one is missing or half-written, whatever the index believes of them, and the index last. */
async function completeClone(
  own: Repository,
  commit: string,
  putAside: (what: string) => Promise<void>,
): Promise<void> {
  await git(own, ['update-ref', '--no-deref', 'HEAD', commit])
  const nothing = (await git(own, ['mktree'], { input: '' })).trim()
  const changes = await changesBetween(own, nothing, commit)
  const files = changes.filter(({ after }) => after?.mode !== SUBMODULE)
  const found = await standings(own, files)
  const paths = files.map(({ path }) => path).filter((path) => found.get(path) === 'theirs')
  const areWritten = files.every(({ path }) => ['after', 'theirs'].includes(found.get(path) ?? ''))
  if (areWritten && existsSync(indexOf(own))) return
  await keepAll(own, paths, false, 'rescued', putAside)
  removeFiles(own, [indexOf(own)])
  await git(own, ['read-tree', '--reset', '-u', commit])
}
