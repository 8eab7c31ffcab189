import { existsSync } from 'node:fs'
import { changesBetween, diskStates, SUBMODULE } from '../changes.ts'
import { hasCommit, isAncestor } from '../checkout.ts'
import { removeFiles } from '../checkout-files.ts'
import { git } from '../git.ts'
import { fetchLargeFiles } from '../lfs.ts'
import { keepAll } from '../local-changes.ts'
import { moveTo, undoMove } from '../move.ts'
import { keepCommit } from '../refs.ts'
import type { Repository } from '../repository.ts'
import { hasLargeFiles } from '../target.ts'
import { clearPlace, clearSubmodule } from './clear.ts'
import { bringCommit, cloneMissing, runSubmodule } from './remote.ts'
import {
  hasSubmodules,
  headOf,
  indexOf,
  placeOf,
  repositoryOf,
  type Submodule,
  type SubmoduleUpdate,
  sameIn,
  submodulesOf,
} from './submodule.ts'

/**
 * Updates submodules to the checked out commit. It looks at the disk for what remains, so that after a kill the same call
 * resumes. A commit chooses the URLs, but cannot make telec read local paths or services of other hosts: only the
 * transport of the remote is allowed.
 *
 * @param before the submodules before an interrupted update: those that differ may be half-way; null: it was not interrupted
 */
export async function updateSubmodules(
  update: SubmoduleUpdate,
  repository: Repository,
  commit: string,
  before: readonly Submodule[] | null,
): Promise<void> {
  const submodules = await submodulesOf(repository, commit)
  const lastOf = (submodule: Submodule) => before && sameIn(before, submodule)
  const isHalfWay = (submodule: Submodule) =>
    before !== null && lastOf(submodule)?.commit !== submodule.commit
  const isDone = async (submodule: Submodule) => !isHalfWay(submodule) && (await isAt(submodule))
  const isCloned = (submodule: Submodule) => placeOf(submodule) === 'its work tree'

  // First: a submodule without a repository makes each git submodule fail.
  for (const submodule of submodules) if (!(await isDone(submodule))) await clearPlace(update, submodule)
  if (update.remote !== null) await runSubmodule(update, repository, 'sync')
  const missing = submodules.filter((submodule) => !isCloned(submodule))
  for (const submodule of submodules.filter(isCloned)) await updateOne(submodule)
  if (missing.length === 0 || update.remote === null) return
  await runSubmodule(update, repository, 'init')
  for (const submodule of missing) {
    await cloneMissing(update, submodule)
    if (isCloned(submodule)) await updateOne(submodule)
  }

  async function updateOne(submodule: Submodule): Promise<void> {
    const own = repositoryOf(submodule)
    const last = lastOf(submodule)
    const hasMoved = (await isDone(submodule)) || (await move(update, submodule, last))
    if (!hasMoved || !hasSubmodules(own)) return
    const below = last ? await submodulesOf(own, last.commit) : []
    await updateSubmodules(update, own, submodule.commit, isHalfWay(submodule) ? below : null)
  }
}

/** Whether a submodule is at its commit, by its index and HEAD. */
async function isAt(submodule: Submodule): Promise<boolean> {
  const own = repositoryOf(submodule)
  const isCheckedOut = placeOf(submodule) === 'its work tree' && existsSync(indexOf(own))
  return isCheckedOut && (await headOf(own)) === submodule.commit
}

/** Moves a submodule to its commit. @returns false where the commit is missing and must not be fetched */
async function move(
  update: SubmoduleUpdate,
  submodule: Submodule,
  last: Submodule | null | undefined,
): Promise<boolean> {
  const { commit } = submodule
  const own = repositoryOf(submodule)
  if (update.remote !== null) {
    const remote = await bringCommit(update, submodule)
    if (await hasLargeFiles(own, commit)) await fetchLargeFiles(own, remote, commit)
  } else if (!(await hasCommit(own, commit))) return false
  const head = await headOf(own)
  const { interrupted, report } = update
  const isCheckedOut = existsSync(indexOf(own))
  if (head !== null && head !== commit && isCheckedOut) {
    if (head !== last?.commit) await keepHead(update, own, head, commit)
    await clearSubmodule(update, own, commit)
    await moveTo(own, { branch: null, commit, interrupted, report })
  } else if (head === commit && isCheckedOut && last && (await hasCommit(own, last.commit))) {
    await undoMove(own, { commit: last.commit, report })
  } else await completeClone(own, commit, report)
  return true
}

/** Keeps commits that a user made on no branch, which git would forget. */
async function keepHead(
  update: SubmoduleUpdate,
  own: Repository,
  head: string,
  commit: string,
): Promise<void> {
  const onRefs = ['for-each-ref', '--count=1', '--contains', head]
  if ((await isAncestor(own, head, commit)) || (await git(own, onRefs)) !== '') return
  const ref = await keepCommit(own, 'rescued', head)
  await update.report(`the commit ${head.slice(0, 12)} of ${own.workTree}, on no branch; kept as ${ref}`)
}

/** Writes all files where one is missing or half-written, and the index last. */
async function completeClone(
  own: Repository,
  commit: string,
  report: (kept: string) => Promise<void>,
): Promise<void> {
  await git(own, ['update-ref', '--no-deref', 'HEAD', commit])
  const emptyTree = (await git(own, ['mktree'], { input: '' })).trim()
  const changes = await changesBetween(own, emptyTree, commit)
  const files = changes.filter(({ after }) => after?.mode !== SUBMODULE)
  const states = await diskStates(own, files)
  const others = files.map(({ path }) => path).filter((path) => states.get(path) === 'other')
  const areWritten = files.every(({ path }) => ['after', 'other'].includes(states.get(path) ?? ''))
  if (areWritten && existsSync(indexOf(own))) return
  await keepAll(own, others, false, 'rescued', report)
  removeFiles(own, [indexOf(own)])
  await git(own, ['read-tree', '--reset', '-u', commit])
}
