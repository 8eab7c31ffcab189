import { join } from 'node:path'
import { TelecError } from '../system/errors.ts'
import { printableName } from '../system/log.ts'
import { type Change, changesBetween } from './changes.ts'
import { currentBranch, headId, syncCheckout } from './checkout.ts'
import { type Standing, SUBMODULE, standings } from './content.ts'
import { git, gitError, tryGit } from './git.ts'
import { removeFiles } from './leftovers.ts'
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
  try {
    await bringMore()
    await syncCheckout(repository)
    if (head !== commit) await moveHead(repository, head, commit, branch)
    return aside
  } catch (error) {
    throw error instanceof TelecError ? Object.assign(error, { interrupted: true }) : error
  }
}

async function moveHead(
  repository: Repository,
  head: string,
  commit: string,
  branch: string | null,
): Promise<void> {
  const isOnBranch = branch !== null && (await currentBranch(repository)) === branch
  const where = isOnBranch ? ['HEAD'] : ['--no-deref', 'HEAD']
  await git(repository, ['update-ref', '-m', `telec: moving to ${commit}`, ...where, commit, head])
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
  let removed: readonly string[] = []
  for (let attempt = 1; ; attempt += 1) {
    const result = await tryGit(repository, move)
    if (result.code === 0) break
    const fail = (isHalfWay: boolean) =>
      Object.assign(gitError(repository, move, result, isHalfWay ? 'interrupted' : 'halted'), {
        interrupted: isHalfWay,
      })
    if (interrupted || result.code === null) throw fail(true)
    const changes = await changesBetween(repository, head, commit)
    const others = changes.filter(({ path }) => !removed.includes(path))
    await tryGit(repository, ['update-index', '-q', '--refresh'])
    const differing = await differingFromIndex(repository)
    const found = await standings(repository, others)
    const isBegun = ({ path, before }: Change) => {
      const standing = found.get(path)
      if (before === null) return standing === 'half'
      return standing === 'half' || standing === 'after' || (standing === 'nothing' && differing.has(path))
    }
    if (others.some(isBegun)) throw fail(true)
    if (attempt === 2) {
      await writeMissing(repository)
      await verifyNoneIsHidden(repository, changes)
      throw fail(false)
    }
    // Nobody's work: the bytes are a commit's, though a time, or a rule for line ends, makes git take them for others.
    const isSame = ({ path, before }: Change) =>
      before === null ? found.get(path) === 'after' : found.get(path) === 'before' && differing.has(path)
    removed = others.filter(isSame).map(({ path }) => path)
    await removeFiles(repository, filesOf(repository, removed))
  }
  if (interrupted || removed.length > 0) await writeMissing(repository)
  return aside
}

/** A file that git was told not to look at is in nobody's list of changes (git-update-index(1)). */
async function verifyNoneIsHidden(repository: Repository, changes: readonly Change[]): Promise<void> {
  const listed = (await git(repository, ['ls-files', '-z', '-v'])).split('\0')
  const hidden = new Set(listed.filter((line) => /^[a-zS]/.test(line)).map((line) => line.slice(2)))
  const paths = changes.map(({ path }) => path).filter((path) => hidden.has(path))
  if (paths.length === 0) return
  const show = `git -C ${repository.workTree} update-index --no-assume-unchanged --no-skip-worktree -- PATH`
  throw new TelecError(
    'halted',
    `${paths.length} file(s) in the way are marked assume-unchanged or skip-worktree`,
    {
      because: paths.map(printableName).join('\n'),
      hint: `have git look at them again: ${show}; then: telec-update --retry, or --stash to put them aside`,
    },
  )
}

/** So that all files are written anew, whatever the index believes of them; what is somebody's is kept under a ref. */
async function clearTheWay(repository: Repository, changes: readonly Change[]): Promise<PutAside | null> {
  const found = await standings(repository, changes)
  const is = (standing: Standing) => changes.filter(({ path }) => found.get(path) === standing)
  const paths = is('theirs').map(({ path }) => path)
  const message = 'What was in the way of an update that was completed'
  const aside =
    paths.length === 0 ? null : { paths, ref: await keepPaths(repository, paths, 'rescued', message) }
  const isFile = ({ before, after }: Change) => before?.mode !== SUBMODULE && after?.mode !== SUBMODULE
  const written = [...is('before'), ...is('after'), ...is('half'), ...is('theirs')].filter(isFile)
  await removeFiles(
    repository,
    filesOf(
      repository,
      written.map(({ path }) => path),
    ),
  )
  return aside
}

function filesOf({ workTree }: Repository, paths: readonly string[]): string[] {
  return paths.map((path) => join(workTree, path))
}

/** Tracked files that are not there, or not as the index has them. */
async function differingFromIndex(repository: Repository, filter = ''): Promise<Set<string>> {
  const output = await git(repository, [
    'diff-files',
    '-z',
    '--name-only',
    '--ignore-submodules=all',
    `--diff-filter=${filter}`,
  ])
  return new Set(output.split('\0').filter(Boolean))
}

/** Those that the index has already, and the disk has not. */
async function writeMissing(repository: Repository): Promise<void> {
  const missing = [...(await differingFromIndex(repository, 'D'))]
  if (missing.length === 0) return
  const input = missing.map((path) => `${path}\0`).join('')
  await git(repository, ['checkout-index', '--quiet', '--index', '-z', '--stdin'], { input })
}
