import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { TelecError } from '../system/errors.ts'
import { mayAccess } from '../system/files.ts'
import { printableName } from '../system/log.ts'
import { localCause, notAllowed } from './causes.ts'
import { type Change, changesBetween, type Staged, stagedOver } from './changes.ts'
import { currentBranch, headId, syncCheckout } from './checkout.ts'
import { SUBMODULE, standings } from './content.ts'
import { git, gitError, tryGit } from './git.ts'
import { keepAll, untrackedInTheWay } from './local-changes.ts'
import { foldersOf, foldOf } from './names.ts'
import type { Repository } from './repository.ts'

interface Move {
  readonly commit: string
  /** Brings what belongs to the commit and is not in its tree. */
  bringMore(): Promise<unknown>
  /** Is told what was somebody's in the way of a half-made move and what has it now, before it is overwritten. */
  putAside(what: string): Promise<void>
}

/** How far a move from one commit to another has come, by what is on the disk and in the index. */
interface Progress {
  readonly from: string
  readonly to: string
  readonly changes: readonly Change[]
  /** Something of it is done; else git had not begun, or refused before it touched anything. */
  readonly hasBegun: boolean
  /** Files in its way that are in neither commit, and no half of what git was writing. */
  readonly theirs: readonly string[]
  /** Somebody staged there what is in neither commit. */
  readonly isStaged: boolean
}

/**
 * Moves the checkout to a commit: files and index first, then their way to the disk, HEAD last. So what HEAD names is there,
 * whenever the power is cut. Throws `interrupted` where it stopped half-way, which is looked at, not guessed.
 *
 * @param move.branch is moved where HEAD is on it; else HEAD is detached
 * @param move.interrupted an earlier move to the commit was stopped, and may be half-way
 */
export async function moveTo(
  repository: Repository,
  move: Move & { readonly branch: string | null; readonly interrupted: boolean },
): Promise<void> {
  const { branch, commit, interrupted } = move
  const head = await headId(repository)
  if (head !== commit) {
    const progress = interrupted ? await progressOf(repository, head, commit) : null
    if (progress?.hasBegun) await complete(repository, progress, move)
    else await moveFiles(repository, head, commit)
  }
  await orHalfWay(async () => {
    await move.bringMore()
    await syncCheckout(repository)
    if (head !== commit) await moveHead(repository, head, commit, branch)
  })
}

/** Takes a move to a commit back that was stopped before HEAD moved, which is always possible: what was there is here. */
export async function undoMove(repository: Repository, move: Move): Promise<void> {
  const head = await headId(repository)
  const progress = await progressOf(repository, head, move.commit)
  const changes = progress.changes.map(({ path, before, after }) => ({ path, before: after, after: before }))
  if (progress.hasBegun)
    await complete(repository, { ...progress, from: move.commit, to: head, changes }, move)
  await orHalfWay(async () => {
    await move.bringMore()
    await syncCheckout(repository)
  })
}

/** Whether something of the move from HEAD to a commit is done. */
export async function isHalfWay(repository: Repository, commit: string): Promise<boolean> {
  const head = await headId(repository)
  return head !== commit && (await progressOf(repository, head, commit)).hasBegun
}

/** What fails once files have moved leaves the checkout half-way. */
async function orHalfWay(act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (!(error instanceof TelecError)) throw error
    throw new TelecError(error.kind, error.message, { ...error, interrupted: true })
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
  const args = ['update-ref', '-m', `telec: moving to ${commit}`, ...where, commit, head]
  const result = await tryGit(repository, args)
  if (result.code !== 0) throw gitError(repository, args, result, 'interrupted')
}

async function moveFiles(repository: Repository, from: string, to: string): Promise<void> {
  const args = ['read-tree', '-m', '-u', from, to] // refuses where something local is in its way (git-read-tree(1))
  const result = await tryGit(repository, args)
  if (result.code === 0) return
  if (result.code === null) throw gitError(repository, args, result, 'interrupted')
  const progress = await progressOf(repository, from, to)
  const isRefused = localCause(repository, result)?.kind !== 'later' // a full disk would be no less full
  // Nobody's work: the bytes are a commit's, though a time, or a rule for line ends, makes git take them for others.
  if (isRefused && progress.theirs.length === 0 && !progress.isStaged) return rewrite(repository, progress)
  if (progress.hasBegun) throw gitError(repository, args, result, 'interrupted')
  await verifyNoneIsHidden(repository, progress.theirs)
  throw gitError(repository, args, result)
}

async function complete(
  repository: Repository,
  progress: Progress,
  { putAside }: Pick<Move, 'putAside'>,
): Promise<void> {
  const { theirs, isStaged } = progress
  await orHalfWay(async () => {
    await keepAll(repository, theirs, isStaged, 'rescued', putAside)
    await rewrite(repository, progress)
  })
}

/** Writes all that differs anew, whatever the index believes of it; what is staged elsewhere stays. */
async function rewrite(repository: Repository, { from, to, changes }: Progress): Promise<void> {
  const none = '0'.repeat(from.length)
  const line = (mode: string, id: string, path: string) => `${mode} ${id}\t${path}\0`
  // Entries without times, so that none is taken for what is on the disk. Those that are no more go first: folders of others
  // may have their names.
  const input = [
    ...changes.flatMap(({ path, before }) => (before ? [] : [line('0', none, path)])),
    ...changes.flatMap(({ path, before }) => (before ? [line(before.mode, before.id, path)] : [])),
  ].join('')
  await git(repository, ['update-index', '-z', '--index-info'], { input })
  const args = ['read-tree', '--reset', '-u', from, to]
  const result = await tryGit(repository, args)
  if (result.code === 0) return
  const isBegun = result.code === null || (await progressOf(repository, from, to)).hasBegun
  throw gitError(repository, args, result, isBegun ? 'interrupted' : 'halted')
}

async function progressOf(repository: Repository, from: string, to: string): Promise<Progress> {
  const changes = await changesBetween(repository, from, to)
  const found = await standings(repository, changes)
  const obstacles = untrackedInTheWay(repository, changes, foldOf(repository) ?? ((name) => name))
  const standing = (path: string) => found.get(path) ?? 'theirs'
  const isCloned = ({ path, after }: Change) =>
    after?.mode === SUBMODULE && existsSync(join(repository.workTree, path, '.git'))
  const clones = changes.filter(isCloned).map(({ path }) => `${path}/`)
  const theirs = [
    ...changes.map(({ path }) => path).filter((path) => standing(path) === 'theirs'),
    ...obstacles.filter((path) => !found.has(path)),
  ].filter((path) => !clones.some((clone) => path.startsWith(clone))) // which are their own
  // A file that a sparse checkout leaves out is not missing.
  const missing = new Set(await missingFiles(repository))
  const staged = await stagedOver(repository, from, changes)
  const isBegun = ({ path, before }: Change) => {
    if (standing(path) === 'nothing') return before !== null && missing.has(path)
    return ['half', 'after'].includes(standing(path))
  }
  const isStagedAs = (as: Staged) => [...staged.values()].includes(as)
  const hasBegun = changes.some(isBegun) || isStagedAs('after')
  return { from, to, changes, hasBegun, theirs, isStaged: isStagedAs('theirs') }
}

/** Tracked files that are not there. */
async function missingFiles(repository: Repository): Promise<string[]> {
  const which = ['-z', '--name-only', '--ignore-submodules=all', '--diff-filter=D']
  return (await git(repository, ['diff-files', ...which])).split('\0').filter(Boolean)
}

/** Throws `halted` where files could not be replaced, or HEAD not be moved, before anything is touched. */
export async function verifyWritable(repository: Repository, changes: readonly Change[]): Promise<void> {
  const { gitDir, commonDir, workTree } = repository
  const branch = await currentBranch(repository)
  const logs = [join(gitDir, 'logs/HEAD'), ...(branch ? [join(commonDir, 'logs/refs/heads', branch)] : [])]
  const folders = new Set(changes.flatMap(({ path }) => foldersOf(path).slice(-1)))
  const paths = [gitDir, ...logs, ...[...folders].map((folder) => join(workTree, folder))]
  const refused = paths.map(nearestThere).filter((path) => !mayAccess(path, 'write'))
  if (refused.length > 0) throw notAllowed(repository, refused)
}

function nearestThere(path: string): string {
  return existsSync(path) ? path : nearestThere(dirname(path))
}

/** A file that git was told not to look at is in nobody's list of changes (git-update-index(1)). */
async function verifyNoneIsHidden(repository: Repository, changed: readonly string[]): Promise<void> {
  const marks = new Map<string, string>()
  for (const entry of (await git(repository, ['ls-files', '-z', '-v'])).split('\0'))
    if (/^[a-zS]/.test(entry))
      marks.set(entry.slice(2), /^s/i.test(entry) ? 'skip-worktree' : 'assume-unchanged')
  const hidden = changed.filter((path) => marks.has(path))
  if (hidden.length === 0) return
  const options = [...new Set(hidden.map((path) => `--no-${marks.get(path)}`))].join(' ')
  throw new TelecError('halted', `${hidden.length} file(s) in the way are marked for git not to look at`, {
    because: hidden.map((path) => `${printableName(path)} (${marks.get(path)})`).join('\n'),
    hint: `have git look at them again: git -C ${repository.workTree} update-index ${options} -- PATH; then: telec-update --retry, or --stash to put them aside`,
  })
}
