import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { foreseen, gitAt, TelecError } from '../system/errors.ts'
import { mayAccess } from '../system/files.ts'
import { printableName } from '../system/log.ts'
import { count } from '../system/plural.ts'
import { localCause, notAllowed } from './causes.ts'
import { type Change, changesBetween, diskStates, type Staged, SUBMODULE, stagedOver } from './changes.ts'
import { currentBranch, headId, syncCheckout } from './checkout.ts'
import { git, gitError, gitLines, tryGit } from './git.ts'
import { keepAll, untrackedInTheWay } from './local-changes.ts'
import { foldersOf } from './names.ts'
import type { Repository } from './repository.ts'

interface Move {
  readonly commit: string
  updateSubmodules?(): Promise<unknown>
  /** Is told which local changes are in the way of an interrupted move and where they are kept, before they are overwritten. */
  report(kept: string): Promise<void>
}

/** The progress of a move between two commits, by the disk and the index. */
interface Progress {
  readonly from: string
  readonly to: string
  readonly changes: readonly Change[]
  /** git changed something. */
  readonly hasBegun: boolean
  /** Files in the way whose content is of neither commit. */
  readonly others: readonly string[]
  /** Something of neither commit is staged there. */
  readonly isStaged: boolean
}

/**
 * Moves the checkout to a commit: writes files and index, syncs them to the disk, and moves HEAD last. So a power cut never
 * leaves HEAD at a commit whose files are missing. Throws `interrupted` where the move stopped half-way.
 *
 * @param move.branch moves where HEAD is on it; else HEAD becomes detached
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
  await markInterrupted(async () => {
    await move.updateSubmodules?.()
    await syncCheckout(repository)
    if (head !== commit) await moveHead(repository, head, commit, branch)
  })
}

/** Reverts a move that stopped before HEAD moved. It needs no remote: the repository has the objects of HEAD. */
export async function undoMove(repository: Repository, move: Move): Promise<void> {
  const head = await headId(repository)
  const progress = await progressOf(repository, head, move.commit)
  const changes = progress.changes.map(({ path, before, after }) => ({ path, before: after, after: before }))
  if (progress.hasBegun)
    await complete(repository, { ...progress, from: move.commit, to: head, changes }, move)
  await markInterrupted(async () => {
    await move.updateSubmodules?.()
    await syncCheckout(repository)
  })
}

/** Whether a move from HEAD to a commit has begun. */
export async function isHalfWay(repository: Repository, commit: string): Promise<boolean> {
  const head = await headId(repository)
  return head !== commit && (await progressOf(repository, head, commit)).hasBegun
}

/** Once files have moved, each failure leaves the checkout half-way. */
async function markInterrupted(act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    const fault = foreseen(error)
    throw new TelecError(fault.kind, fault.message, { ...fault, interrupted: true })
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
  await git(repository, args, { effect: 'interrupted' })
}

async function moveFiles(repository: Repository, from: string, to: string): Promise<void> {
  const args = ['read-tree', '-m', '-u', from, to] // refuses to overwrite local changes (git-read-tree(1))
  const result = await tryGit(repository, args)
  if (result.code === 0) return
  if (result.code === null) throw gitError(repository, args, result, 'interrupted')
  const progress = await progressOf(repository, from, to)
  const isRefused = localCause(repository, result)?.kind !== 'later' // a full disk stays full
  // Every file is of one of the commits; git takes one for changed by its time, or by a rule for line ends.
  if (isRefused && progress.others.length === 0 && !progress.isStaged) return rewrite(repository, progress)
  if (progress.hasBegun) throw gitError(repository, args, result, 'interrupted')
  await verifyNoneIsHidden(repository, progress.others)
  throw gitError(repository, args, result)
}

async function complete(
  repository: Repository,
  progress: Progress,
  { report }: Pick<Move, 'report'>,
): Promise<void> {
  await markInterrupted(async () => {
    await keepAll(repository, progress.others, progress.isStaged, 'rescued', report)
    await rewrite(repository, progress)
  })
}

/** Writes every file that differs, also where the index says that it is up to date; other staged changes stay. */
async function rewrite(repository: Repository, { from, to, changes }: Progress): Promise<void> {
  const none = '0'.repeat(from.length)
  const line = (mode: string, id: string, path: string) => `${mode} ${id}\t${path}\0`
  // Entries without times, so that git trusts none. Removals come first: other files may be in folders of their names.
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
  const states = await diskStates(repository, changes)
  const untracked = untrackedInTheWay(repository, changes)
  const stateOf = (path: string) => states.get(path) ?? 'other'
  const isCloned = ({ path, after }: Change) =>
    after?.mode === SUBMODULE && existsSync(join(repository.workTree, path, '.git'))
  const clones = changes.filter(isCloned).map(({ path }) => `${path}/`)
  const others = [
    ...changes.map(({ path }) => path).filter((path) => stateOf(path) === 'other'),
    ...untracked.filter((path) => !states.has(path)),
  ].filter((path) => !clones.some((clone) => path.startsWith(clone)))
  // git leaves out of this list the files that a sparse checkout leaves out.
  const deleted = ['diff-files', '-z', '--name-only', '--ignore-submodules=all', '--diff-filter=D']
  const missing = new Set(await gitLines(repository, deleted))
  const staged = await stagedOver(repository, from, changes)
  const isBegun = ({ path, before }: Change) => {
    if (stateOf(path) === 'nothing') return before !== null && missing.has(path)
    return ['half', 'after'].includes(stateOf(path))
  }
  const isStagedAs = (as: Staged) => [...staged.values()].includes(as)
  const hasBegun = changes.some(isBegun) || isStagedAs('after')
  return { from, to, changes, hasBegun, others, isStaged: isStagedAs('other') }
}

/** Throws `halted` where telec may not replace files or move HEAD, before anything is touched. */
export async function verifyWritable(repository: Repository, changes: readonly Change[]): Promise<void> {
  const { gitDir, commonDir, workTree } = repository
  const branch = await currentBranch(repository)
  const logs = [join(gitDir, 'logs/HEAD'), ...(branch ? [join(commonDir, 'logs/refs/heads', branch)] : [])]
  const folders = new Set(changes.flatMap(({ path }) => foldersOf(path).slice(-1)))
  const paths = [gitDir, ...logs, ...[...folders].map((folder) => join(workTree, folder))]
  const refused = paths.map(nearestExisting).filter((path) => !mayAccess(path, 'write'))
  if (refused.length > 0) throw notAllowed(repository, refused)
}

function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path))
}

/** Throws where files have a mark that hides their changes from git status (git-update-index(1)). */
async function verifyNoneIsHidden(repository: Repository, changed: readonly string[]): Promise<void> {
  const marks = new Map<string, string>()
  for (const entry of await gitLines(repository, ['ls-files', '-z', '-v']))
    if (/^[a-zS]/.test(entry))
      marks.set(entry.slice(2), /^s/i.test(entry) ? 'skip-worktree' : 'assume-unchanged')
  const hidden = changed.filter((path) => marks.has(path))
  if (hidden.length === 0) return
  const options = [...new Set(hidden.map((path) => `--no-${marks.get(path)}`))].join(' ')
  const message = `the update would overwrite ${count(hidden.length, 'file')} whose changes are hidden from git`
  throw new TelecError('halted', message, {
    because: hidden.map((path) => `${printableName(path)} (${marks.get(path)})`).join('\n'),
    hint: `remove the mark: ${gitAt(repository.workTree)} update-index ${options} -- PATH; then: telec-update --retry, or --stash to stash the changes`,
  })
}
