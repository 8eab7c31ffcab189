import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { syncPlaces } from '../system/disks.ts'
import { gitAt, TelecError } from '../system/errors.ts'
import { readPlainText } from '../system/files.ts'
import { printableName } from '../system/log.ts'
import { missingCommit } from './causes.ts'
import { answerOf, askGit, git, gitError, gitLines, tryGit } from './git.ts'
import type { Repository } from './repository.ts'

/** The commit of HEAD. Throws where there is none (an empty or a broken repository). */
export async function headCommit(repository: Repository): Promise<string> {
  const result = await askGit(repository, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'])
  if (result.code === 0) return result.stdout.trim()
  throw new TelecError('config', `deployment.checkout is ${repository.workTree}, which has no commit`, {
    hint: `check out the branch of the service: ${gitAt(repository.workTree)} pull`,
  })
}

/** Whether the repository has this commit with all its objects, except those that a partial clone fetches when needed. */
export async function hasCommit(repository: Repository, commit: string): Promise<boolean> {
  const whole = ['rev-list', '--quiet', '--objects', '--no-walk', '--exclude-promisor-objects', commit, '--']
  return (await answerOf(repository, whole)) !== null
}

/** The id of HEAD's commit, most often without a git. The object itself may be missing. */
export async function headId(repository: Repository): Promise<string> {
  const read = (path: string) => readPlainText(path)?.trim() ?? ''
  const head = read(join(repository.gitDir, 'HEAD'))
  const id = head.startsWith('ref: refs/heads/')
    ? read(join(repository.commonDir, head.slice('ref: '.length)))
    : head
  return /^[0-9a-f]{40,64}$/.test(id) ? id : headCommit(repository)
}

/** The branch of HEAD; null where it is detached. */
export async function currentBranch(repository: Repository): Promise<string | null> {
  // No plain file where HEAD is a link; `.invalid` where refs are in tables (gitrepository-layout(5)).
  const path = join(repository.gitDir, 'HEAD')
  const [, name] = /^ref: refs\/heads\/(.+)\n$/.exec(readPlainText(path) ?? '') ?? []
  if (name !== undefined && name !== '.invalid') return name
  const result = await askGit(repository, ['symbolic-ref', '--quiet', '--short', 'HEAD'])
  return result.code === 0 ? result.stdout.trim() : null
}

/** The commit date of HEAD, ISO 8601. */
export async function headDate(repository: Repository): Promise<string> {
  return (await git(repository, ['log', '-1', '--no-show-signature', '--format=%cI', 'HEAD', '--'])).trim()
}

/** Whether `commit` is `descendant` or one of its ancestors. Throws where the repository lacks one of them. */
export async function isAncestor(
  repository: Repository,
  commit: string,
  descendant: string,
): Promise<boolean> {
  const base = await mergeBase(repository, commit, descendant)
  if (base === null) throw missingCommit(repository, commit)
  return base === commit
}

/** A common ancestor; false where there is none; null where the repository lacks one of the commits. */
async function mergeBase(repository: Repository, one: string, other: string): Promise<string | false | null> {
  const command = ['merge-base', one, other]
  const result = await tryGit(repository, command)
  if (/Not a valid (commit|object) name/.test(result.stderr)) return null
  if (result.code === 0) return result.stdout.trim()
  if (result.code === 1) return false
  throw gitError(repository, command, result)
}

/** As `isAncestor`; false where git cannot tell. */
export async function isBehind(repository: Repository, commit: string, descendant: string): Promise<boolean> {
  const others = ['rev-list', '--max-count=1', commit, '--not', descendant, '--']
  const result = await tryGit(repository, others)
  return result.code === 0 && result.stdout === ''
}

/** Whether a commit is an ancestor of another one, or shares one with it; `related` also where a shallow repository cannot tell. */
export async function relationOf(
  repository: Repository,
  commit: string,
  other: string,
): Promise<'ancestor' | 'related' | 'unrelated'> {
  const base = await mergeBase(repository, commit, other)
  if (base === commit) return 'ancestor'
  return base !== false || existsSync(join(repository.commonDir, 'shallow')) ? 'related' : 'unrelated'
}

/** The commits in the repository whose ids begin like this. */
export async function commitsStarting(repository: Repository, beginning: string): Promise<string[]> {
  const ids = await git(repository, ['rev-parse', `--disambiguate=${beginning}`])
  const kinds = await git(repository, ['cat-file', '--batch-check'], { input: ids })
  return [...kinds.matchAll(/^([0-9a-f]+) commit /gm)].flatMap(([, commit]) => commit ?? [])
}

/** One line per commit of `to` that `from` lacks, newest first, at most `most`. */
export async function commitsBetween(
  repository: Repository,
  from: string,
  to: string,
  most = 10,
): Promise<string[]> {
  const format = ['--oneline', '--no-decorate', '--no-show-signature'] // the last could run another program
  return gitLines(repository, ['log', ...format, `-${most}`, `${from}..${to}`])
}

/** Subjects of the commits between two versions, newest first, and how many more there are. */
export interface Subjects {
  readonly subjects: string[]
  readonly more: number
}

/** Each status has them, also in fleets of thousands. */
const MOST_SUBJECTS = 10
/** telec stops counting there. */
const MOST_COUNTED = 1_000

/** Null where there are none, or where the repository lacks one of the commits. */
export async function subjectsBetween(
  repository: Repository,
  from: string,
  to: string,
): Promise<Subjects | null> {
  const format = ['--no-show-signature', '--no-color', '--format=%<(100,trunc)%s'] // a subject has no maximum
  const range = [`--max-count=${MOST_COUNTED}`, `${from}..${to}`, '--']
  const lines = (await answerOf(repository, ['log', ...format, ...range]))?.split('\n').slice(0, -1) ?? []
  if (lines.length === 0) return null
  const subjects = lines.slice(0, MOST_SUBJECTS).map((line) => printableName(line.trim()) || '(no subject)')
  return { subjects, more: lines.length - subjects.length }
}

/** Whether only a part of the tree is checked out. */
export function isSparse({ gitDir }: Repository): boolean {
  return existsSync(join(gitDir, 'info/sparse-checkout'))
}

/** Whether the tree of a commit has anything at a path. */
export async function treeHas(repository: Repository, commit: string, path: string): Promise<boolean> {
  return (await git(repository, ['ls-tree', '--name-only', commit, '--', path])) !== ''
}

/** Files of git's during an operation of several commands, and the command that aborts it (gitrepository-layout(5)). */
const OPEN: readonly (readonly [file: string, name: string, abort: string])[] = [
  ['MERGE_HEAD', 'a merge', 'merge --abort'],
  ['CHERRY_PICK_HEAD', 'a cherry-pick', 'cherry-pick --abort'],
  ['REVERT_HEAD', 'a revert', 'revert --abort'],
  ['rebase-merge', 'a rebase', 'rebase --abort'],
  ['rebase-apply/applying', 'git am', 'am --abort'],
  ['rebase-apply', 'a rebase', 'rebase --abort'],
  ['BISECT_LOG', 'a bisection', 'bisect reset'],
]

/** A user's unfinished operation in the checkout, during which HEAD must not move; or null. */
export function openOperation({ gitDir }: Repository): { name: string; abort: string } | null {
  const [, name, abort] = OPEN.find(([file]) => existsSync(join(gitDir, file))) ?? []
  return name && abort ? { name, abort } : null
}

/** Writes the checkout to disk, which git does not do: a recorded step must survive a power cut. */
export async function syncCheckout({ world, workTree }: Repository): Promise<void> {
  await syncPlaces(world, [workTree])
}
