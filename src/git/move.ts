import { join } from 'node:path'
import { TelecError } from '../system/errors.ts'
import { type Change, changesBetween } from './changes.ts'
import { currentBranch, headId, syncCheckout } from './checkout.ts'
import { type Standing, SUBMODULE, standings } from './content.ts'
import { git, gitError, tryGit } from './git.ts'
import { removeFiles, removeStaleLocks } from './leftovers.ts'
import { keepPaths } from './local-changes.ts'
import type { Repository } from './repository.ts'

interface Move {
  /** It is moved where HEAD is on it; else HEAD is detached. */
  readonly branch: string | null
  readonly commit: string
  /** An earlier move to the commit was stopped, and may be half-way. */
  readonly interrupted: boolean
  /** Brings what belongs to the commit and is not in its tree. */
  bringMore(): Promise<unknown>
}

/** What was somebody's where a half-made move was completed, and the ref that has it now. */
export interface PutAside {
  readonly paths: readonly string[]
  readonly ref: string
}

/**
 * Moves the checkout to a commit: files and index first, then their way to the disk, HEAD last. So what HEAD names is there,
 * whenever the power is cut. Throws `interrupted` where it stopped half-way, which is looked at, not guessed.
 */
export async function moveTo(
  repository: Repository,
  { branch, commit, interrupted, bringMore }: Move,
): Promise<PutAside | null> {
  const head = await headId(repository)
  const aside = head === commit ? null : await moveFiles(repository, head, commit, interrupted)
  await bringMore()
  await syncCheckout(repository)
  if (head === commit) return null
  const isOnBranch = branch !== null && (await currentBranch(repository)) === branch
  const where = isOnBranch ? ['HEAD'] : ['--no-deref', 'HEAD']
  await git(repository, ['update-ref', '-m', `telec: moving to ${commit}`, ...where, commit, head])
  return aside
}

async function moveFiles(
  repository: Repository,
  head: string,
  commit: string,
  interrupted: boolean,
): Promise<PutAside | null> {
  const move = ['read-tree', '-m', '-u', head, commit] // refuses where something local is in its way (git-read-tree(1))
  const aside = interrupted
    ? await clearTheWay(repository, await changesBetween(repository, head, commit))
    : null
  const result = await tryGit(repository, move)
  if (result.code === 0) {
    if (interrupted) await writeMissing(repository)
    return aside
  }
  const fail = (isHalfWay: boolean) => {
    const { kind, message, because = '', hint = '' } = gitError(repository, move, result)
    return new TelecError(kind, message, { because, hint, interrupted: isHalfWay })
  }
  if (interrupted || result.code === null) throw fail(true)
  const changes = await changesBetween(repository, head, commit)
  await tryGit(repository, ['update-index', '-q', '--refresh'])
  const differing = await differingFromIndex(repository)
  const found = await standings(repository, changes)
  const isBegun = ({ path, before }: Change) => {
    const standing = found.get(path)
    return (
      standing === 'half' || standing === 'after' || (before && standing === 'nothing' && differing.has(path))
    )
  }
  if (changes.some(isBegun)) throw fail(true)
  // Nobody's work: the bytes are the commit's, though their time, or a rule for line ends, makes git take them for others.
  const same = changes.filter(({ path }) => found.get(path) === 'before' && differing.has(path))
  await removeFiles(repository, filesOf(repository, same))
  if ((await tryGit(repository, move)).code === 0) return null
  await writeMissing(repository)
  throw fail(false)
}

/** So that all files are written anew, whatever the index believes of them; what is somebody's is kept under a ref. */
async function clearTheWay(repository: Repository, changes: readonly Change[]): Promise<PutAside | null> {
  await removeStaleLocks(repository)
  const found = await standings(repository, changes)
  const is = (standing: Standing) => changes.filter(({ path }) => found.get(path) === standing)
  const paths = is('theirs').map(({ path }) => path)
  const message = 'What was in the way of an update that was completed'
  const aside =
    paths.length === 0 ? null : { paths, ref: await keepPaths(repository, paths, 'rescued', message) }
  const isFile = ({ before, after }: Change) => before?.mode !== SUBMODULE && after?.mode !== SUBMODULE
  const written = [...is('before'), ...is('after'), ...is('half'), ...is('theirs')].filter(isFile)
  await removeFiles(repository, filesOf(repository, written))
  return aside
}

function filesOf({ workTree }: Repository, changes: readonly Change[]): string[] {
  return changes.map(({ path }) => join(workTree, path))
}

/** Tracked files that are not there, or not as the index has them. */
async function differingFromIndex(repository: Repository, filter = ''): Promise<Set<string>> {
  const output = await git(repository, ['diff-files', '-z', '--name-only', `--diff-filter=${filter}`])
  return new Set(output.split('\0').filter(Boolean))
}

/** Those that the index has already, and the disk has not. */
async function writeMissing(repository: Repository): Promise<void> {
  const missing = [...(await differingFromIndex(repository, 'D'))]
  if (missing.length === 0) return
  const input = missing.map((path) => `${path}\0`).join('')
  await git(repository, ['checkout-index', '--quiet', '--index', '-z', '--stdin'], { input })
}
