import compare from 'semver/functions/compare'
import { shortName } from '../../channel/choices.ts'
import { nameOf, type Target } from '../../channel/target.ts'
import { missingCommit } from '../../git/causes.ts'
import { type Change, changesBetween } from '../../git/changes.ts'
import {
  areBehind,
  commitsBetween,
  hasCommit,
  headCommit,
  headId,
  isAncestor,
  relationOf,
} from '../../git/checkout.ts'
import { fetchMissing } from '../../git/fetch.ts'
import { fetchLargeFiles } from '../../git/lfs.ts'
import { inTheWay, isTouchedBy, localChanges, stashPaths } from '../../git/local-changes.ts'
import { isHalfWay, verifyWritable } from '../../git/move.ts'
import { collisions, type Fold, foldOf } from '../../git/names.ts'
import { keepCommit } from '../../git/refs.ts'
import type { Repository } from '../../git/repository.ts'
import { verifySignatures } from '../../git/signatures.ts'
import { declaredBy } from '../../git/target.ts'
import { readChoices } from '../../state/choices.ts'
import { isEnded, wasInterrupted } from '../../state/update-state.ts'
import { TelecError } from '../../system/errors.ts'
import { together } from '../../system/limit.ts'
import { printableName } from '../../system/log.ts'
import { asInstalled, putBack } from '../changed-files.ts'
import type { StepContext } from '../step.ts'

/** Decides on what was fetched whether the checkout may move to it: forwards only, and over nobody's work. What belongs to it and is large comes then. */
export async function verify(context: StepContext): Promise<string> {
  const { config, repository, update } = context
  const { target } = update
  // What this program fetched is whole: git has looked. What another one did may have been lost with the power since.
  if (update.attempts > 1 && !(await hasCommit(repository, target.commit)))
    throw missingCommit(repository, target.commit)
  const { head, hasLargeFiles } = await verifyTarget(context)
  const isThere = isEnded(update, 'checkout') || (await headId(repository)) === target.commit
  if (isThere) return 'the checkout is there already'
  if (hasLargeFiles) await fetchLargeFiles(repository, config.deployment.remote, target.commit)
  if (wasInterrupted(update, 'checkout') && (await isHalfWay(repository, target.commit))) {
    verifyNoConflicts(repository, await localChanges(repository))
    return 'the checkout is half-way there'
  }
  return verifyNothingInTheWay(context, head)
}

/** What was verified of a target. */
interface Verified {
  /** The commit that the checkout is at, by its id or as HEAD. */
  readonly head: string
  readonly hasLargeFiles: boolean
}

/** All checks but that of local changes. Signatures come first: until then nothing that the commit says decides anything. */
export async function verifyTarget(context: StepContext): Promise<Verified> {
  const { config, repository, update } = context
  const { from, target, rollback, channel } = update
  await verifySignatures(repository, config.deployment, from.commit, target)
  await fetchMissing(repository, config.deployment, from.commit, target.commit)
  const { version, hasLargeFiles } = await declaredBy(repository, target, config.deployment.version_file)
  if (version !== target.version) context.remember({ target: { ...target, version } })
  // Most updates are of this kind, which one git tells.
  const isForwards = channel === 'alpha' && rollback === null
  if (isForwards && (await areBehind(repository, ['HEAD', from.commit], target.commit)))
    return { head: 'HEAD', hasLargeFiles }
  if (rollback === null && channel === 'alpha') await verifyFastForward(context)
  else if (rollback === null) await verifyRelease(context)
  const head = await headCommit(repository)
  await verifyNoLocalCommits(context, head)
  return { head, hasLargeFiles }
}

async function verifyFastForward({ config, repository, update }: StepContext): Promise<void> {
  const { from, target } = update
  if (await isAncestor(repository, from.commit, target.commit)) return
  const [old, head] = [from.commit.slice(0, 12), target.commit.slice(0, 12)]
  if (!update.permits.includes('rewrite'))
    throw new TelecError(
      'halted',
      `${config.deployment.branch} was rewritten: the update is not a fast-forward`,
      {
        because: `${old}, which is deployed, is no ancestor of ${head}, the new head`,
        hint: `look at both: git -C ${repository.workTree} log --oneline --graph ${old} ${head}; to take it: telec-update --accept-rewrite. A new head that descends from what is deployed is taken by itself`,
        retryCommand: 'telec-update --accept-rewrite',
      },
    )
  await keepCommit(repository, 'replaced', from.commit)
}

/** Throws where a release is of something else, which a remote came to serve or the same key has signed, or is older. */
async function verifyRelease({ repository, paths, update }: StepContext): Promise<void> {
  const { from, target, permits } = update
  const relation = await relationOf(repository, target.commit, from.commit)
  if (relation === 'unrelated' && !permits.includes('rewrite'))
    throw new TelecError('halted', `${nameOf(target)} has no history in common with what is deployed`, {
      because: `it does not come from ${nameOf(from)}: another project, or a new history of this one`,
      hint: `look at it: git -C ${repository.workTree} log ${target.commit.slice(0, 12)}; to take it: telec-update --accept-rewrite`,
      retryCommand: 'telec-update --accept-rewrite',
    })
  const isOlder =
    from.version !== null && target.version !== null && compare(target.version, from.version) < 0
  if (relation !== 'ancestor' && !isOlder) return
  if (permits.includes('downgrade') || readChoices(paths).pin?.commit === target.commit) return
  throw new TelecError('halted', `${nameOf(target)} is older than ${nameOf(from)}, which is deployed`, {
    ...(!isOlder && { because: 'what is deployed was made from it, whatever its name says' }),
    hint: `telec does not go back by itself: publish a newer release, pass this one over (telec hold ${shortName(target)}), or telec-update --allow-downgrade`,
    retryCommand: 'telec-update --allow-downgrade',
  })
}

/** Commits that a person made here are neither rebased nor reset. */
async function verifyNoLocalCommits({ repository, update }: StepContext, head: string): Promise<void> {
  const { from, target, left_at } = update
  if (head === from.commit || head === left_at || (await isAncestor(repository, head, target.commit))) return
  if (await isAncestor(repository, head, from.commit)) return
  const commits = await commitsBetween(repository, target.commit, head)
  throw new TelecError('halted', `the checkout has commits of its own`, {
    because: commits.join('\n'),
    hint: `push them, or put them on a branch: git -C ${repository.workTree} branch mine && git -C ${repository.workTree} reset --keep ${from.commit.slice(0, 12)}`,
  })
}

/** Local changes that the update does not touch stay as they are. */
async function verifyNothingInTheWay(context: StepContext, head: string): Promise<string> {
  const { repository, update } = context
  const { commit } = update.target
  const [differing, changes] = await together(
    localChanges(repository),
    changesBetween(repository, head, commit),
  )
  verifyNoConflicts(repository, differing)
  const installed = asInstalled(context).filter(({ path }) => differing.has(path))
  const local = new Map([...differing].filter(([path]) => !installed.some((one) => one.path === path)))
  context.remember({ local: [...local.keys()] })
  await verifyWritable(repository, changes)
  const fold = foldOf(repository)
  if (fold) await verifyNamesApart(repository, update.target, changes, fold)
  const asItIs = fold ?? ((name: string) => name)
  const found = await inTheWay(repository, local, changes, asItIs)
  const paths = [...found.modified, ...found.untracked].map(printableName)
  const isTouched = isTouchedBy(changes, asItIs)
  const left = [...local.keys()].filter((path) => !isTouched(path)).map(printableName)
  const remarks = [`${changes.length} file(s) differ`]
  if (paths.length > 0 && !update.permits.includes('stash'))
    throw new TelecError('halted', `the update would overwrite ${paths.length} local file(s)`, {
      because: paths.join('\n'),
      hint: `commit them, move them away, or put them back: git -C ${repository.workTree} restore -- PATH; or let telec put them aside: telec-update --stash`,
      retryCommand: 'telec-update --stash',
    })
  if (paths.length > 0) {
    await context.writeDown()
    await stashPaths(repository, found, context.putAside)
  }
  if (installed.length > 0) remarks.push(await putBack(context, installed))
  if (left.length > 0) remarks.push(`left as they are, with local changes: ${left.join(', ')}`)
  return remarks.join('; ')
}

function verifyNoConflicts({ workTree }: Repository, local: ReadonlyMap<string, string>): void {
  const paths = [...local]
    .filter(([, letters]) => /U|AA|DD/.test(letters))
    .map(([path]) => printableName(path))
  if (paths.length === 0) return
  throw new TelecError('halted', `${paths.length} file(s) have conflicts that somebody is resolving`, {
    because: paths.join('\n'),
    hint: `git moves nothing meanwhile: finish it (git -C ${workTree} add PATH), or leave it (git -C ${workTree} status says how); then: telec-update --retry`,
  })
}

/** Of two that the disk takes for one the second to be written would replace the first, without a word. */
async function verifyNamesApart(
  repository: Repository,
  target: Target,
  changes: readonly Change[],
  fold: Fold,
): Promise<void> {
  const touched = changes.map(({ path }) => path)
  const pairs = await collisions(repository, target.commit, touched, fold)
  if (pairs.length === 0) return
  const disk = `the disk of ${repository.workTree}`
  throw new TelecError('halted', `${disk} takes files of ${nameOf(target)} for one`, {
    because: pairs.map(printableName).join('\n'),
    hint: 'they differ in case, or in the form of a letter, alone: rename one of them in the repository, and push',
  })
}
