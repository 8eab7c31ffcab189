import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { syncPlaces } from '../system/disks.ts'
import { TelecError } from '../system/errors.ts'
import { readPlainText } from '../system/files.ts'
import { lacking } from './causes.ts'
import { answerOf, askGit, git, gitError, tryGit } from './git.ts'
import { keptRef } from './refs.ts'
import type { Repository } from './repository.ts'

/** The commit that HEAD names. Throws when there is none (an empty or a broken repository). */
export async function headCommit(repository: Repository): Promise<string> {
  const result = await askGit(repository, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'])
  if (result.code === 0) return result.stdout.trim()
  throw new TelecError('config', `deployment.checkout is ${repository.workTree}, which has no commit`, {
    hint: `check out what the service runs: git -C ${repository.workTree} pull`,
  })
}

/** Whether the repository has this commit with all that belongs to it; a partial clone has what git fetches when needed. */
export async function hasCommit(repository: Repository, commit: string): Promise<boolean> {
  const whole = ['rev-list', '--quiet', '--objects', '--no-walk', '--exclude-promisor-objects', commit, '--']
  return (await answerOf(repository, whole)) !== null
}

/** The commit that HEAD names, by its id alone: whether it is there git says where it is asked for more. */
export async function headId(repository: Repository): Promise<string> {
  const read = (path: string) => readPlainText(path)?.trim() ?? ''
  const head = read(join(repository.gitDir, 'HEAD'))
  // Most often a plain file names it (gitrepository-layout(5)).
  const id = head.startsWith('ref: refs/heads/')
    ? read(join(repository.commonDir, head.slice('ref: '.length)))
    : head
  return /^[0-9a-f]{40,64}$/.test(id) ? id : headCommit(repository)
}

/** The branch that HEAD is on; null when it is detached. */
export async function currentBranch(repository: Repository): Promise<string | null> {
  // Most often it is in a plain file (gitrepository-layout(5)); not where refs are in tables, or HEAD is a link.
  const path = join(repository.gitDir, 'HEAD')
  const [, name] = /^ref: refs\/heads\/(.+)\n$/.exec(readPlainText(path) ?? '') ?? []
  if (name !== undefined && name !== '.invalid') return name
  const result = await askGit(repository, ['symbolic-ref', '--quiet', '--short', 'HEAD'])
  return result.code === 0 ? result.stdout.trim() : null
}

/** When HEAD was committed, ISO 8601, by the clock of whoever did. */
export async function headDate(repository: Repository): Promise<string> {
  return (await git(repository, ['log', '-1', '--no-show-signature', '--format=%cI', 'HEAD', '--'])).trim()
}

/** Gives the checkout its tag, for `git describe`; `rewrite`: also in place of another one of that name. */
export async function nameTag(repository: Repository, ref: string, rewrite: boolean): Promise<void> {
  if (!ref.startsWith('refs/tags/')) return
  const onlyNew = rewrite ? [] : ['0'.repeat(40)] // git-update-ref(1): where there is none yet
  await tryGit(repository, ['update-ref', '--', ref, keptRef(ref), ...onlyNew])
}

/** Keeps a commit from being forgotten, under `refs/telec/KIND/`; the name of the ref. */
export async function keepCommit(
  repository: Repository,
  kind: 'rescued' | 'replaced' | 'stash',
  commit: string,
): Promise<string> {
  const ref = `refs/telec/${kind}/${commit.slice(0, 12)}`
  await git(repository, ['update-ref', ref, commit])
  return ref
}

/** Whether `commit` is `descendant` or one of its ancestors. Throws where the repository lacks one of them. */
export async function isAncestor(
  repository: Repository,
  commit: string,
  descendant: string,
): Promise<boolean> {
  const isBefore = await mergeBase(repository, '--is-ancestor', commit, descendant)
  if (isBefore === null) throw lacking(repository, commit)
  return isBefore !== false
}

/** What git merge-base prints where it succeeds; false where it says no; null where the repository lacks one of the commits. */
async function mergeBase(repository: Repository, ...args: readonly string[]): Promise<string | false | null> {
  const command = ['merge-base', ...args]
  const result = await tryGit(repository, command)
  if (/Not a valid (commit|object) name/.test(result.stderr)) return null
  if (result.code === 0) return result.stdout.trim()
  if (result.code === 1) return false
  throw gitError(repository, command, result)
}

/** Whether all of these are `descendant` or ancestors of it. False, too, where git cannot tell. */
export async function areBehind(
  repository: Repository,
  commits: readonly string[],
  descendant: string,
): Promise<boolean> {
  const first = ['rev-list', '--max-count=1', ...commits, '--not', descendant, '--']
  const result = await tryGit(repository, first)
  return result.code === 0 && result.stdout === ''
}

/**
 * Whether a commit is among the ancestors of another one, or has others in common with it. `related`, too, where a shallow
 * repository cannot tell.
 */
export async function relationOf(
  repository: Repository,
  commit: string,
  other: string,
): Promise<'ancestor' | 'related' | 'unrelated'> {
  const base = await mergeBase(repository, commit, other)
  if (base === commit) return 'ancestor'
  return base !== false || existsSync(join(repository.commonDir, 'shallow')) ? 'related' : 'unrelated'
}

/** The commits that are here whose ids begin like this. */
export async function commitsCalled(repository: Repository, beginning: string): Promise<string[]> {
  const ids = await git(repository, ['rev-parse', `--disambiguate=${beginning}`])
  const kinds = await git(repository, ['cat-file', '--batch-check'], { input: ids })
  return [...kinds.matchAll(/^([0-9a-f]+) commit /gm)].flatMap(([, commit]) => commit ?? [])
}

/** One line per commit that `from` does not have and `to` has, newest first, at most `most`. */
export async function commitsBetween(
  repository: Repository,
  from: string,
  to: string,
  most = 10,
): Promise<string[]> {
  const format = ['--oneline', '--no-decorate', '--no-show-signature'] // the last could run another program
  const output = await git(repository, ['log', ...format, `-${most}`, `${from}..${to}`])
  return output.split('\n').filter(Boolean)
}

/** Whether only a part of the tree is checked out. */
export function isSparse({ gitDir }: Repository): boolean {
  return existsSync(join(gitDir, 'info/sparse-checkout'))
}

/** Whether the tree of a commit has anything at a path. */
export async function treeHas(repository: Repository, commit: string, path: string): Promise<boolean> {
  return (await git(repository, ['ls-tree', '--name-only', commit, '--', path])) !== ''
}

/** What git keeps in its folder while an operation of several commands is open, and how it is left (gitrepository-layout(5)). */
const OPEN: readonly (readonly [file: string, what: string, leave: string])[] = [
  ['MERGE_HEAD', 'a merge', 'merge --abort'],
  ['CHERRY_PICK_HEAD', 'a cherry-pick', 'cherry-pick --abort'],
  ['REVERT_HEAD', 'a revert', 'revert --abort'],
  ['rebase-merge', 'a rebase', 'rebase --abort'],
  ['rebase-apply/applying', 'git am', 'am --abort'],
  ['rebase-apply', 'a rebase', 'rebase --abort'],
  ['BISECT_LOG', 'a bisection', 'bisect reset'],
]

/** What a person has begun in the checkout and not ended: HEAD must not move under it. Null: nothing. */
export function openOperation({ gitDir }: Repository): { what: string; leave: string } | null {
  const found = OPEN.find(([file]) => existsSync(join(gitDir, file)))
  return found ? { what: found[1], leave: found[2] } : null
}

/** Writes the checkout to disk: git does not, and what is recorded as done must survive a power cut. */
export async function syncCheckout({ world, workTree }: Repository): Promise<void> {
  await syncPlaces(world, [workTree])
}
