import compare from 'semver/functions/compare'
import { shortName } from '../../channel/choices.ts'
import { nameOf, type Target } from '../../channel/target.ts'
import { missingCommit } from '../../git/causes.ts'
import { type Change, changesBetween } from '../../git/changes.ts'
import { commitsBetween, hasCommit, headId, isAncestor, relationOf } from '../../git/checkout.ts'
import { fetchMissing } from '../../git/fetch.ts'
import { unchangedSince } from '../../git/index-file.ts'
import { fetchLargeFiles } from '../../git/lfs.ts'
import { inTheWay, isTouchedBy, localChanges, stashPaths } from '../../git/local-changes.ts'
import { isHalfWay, verifyWritable } from '../../git/move.ts'
import { collisions, isCaseless } from '../../git/names.ts'
import { keepCommit } from '../../git/refs.ts'
import type { Repository } from '../../git/repository.ts'
import { verifySignatures } from '../../git/signatures.ts'
import { declaredBy } from '../../git/target.ts'
import { readChoices } from '../../state/choices.ts'
import { isEnded, wasInterrupted } from '../../state/update-state.ts'
import { gitAt, TelecError } from '../../system/errors.ts'
import { together } from '../../system/limit.ts'
import { printableName } from '../../system/log.ts'
import { count } from '../../system/plural.ts'
import { restoreInstalled } from '../changed-files.ts'
import type { StepContext } from '../context.ts'

/** Decides whether the checkout may move to the target: forwards only, and over no local work. Then fetches its large files. */
export async function verify(context: StepContext): Promise<string> {
  const { config, repository, update } = context
  const { target } = update
  // git checked what this program fetched; a power cut may have lost what an earlier one did.
  if (update.attempts > 1 && !(await hasCommit(repository, target.commit)))
    throw missingCommit(repository, target.commit)
  const { head, hasLargeFiles } = await verifyTarget(context)
  if (isEnded(update, 'checkout') || head === target.commit) return 'the checkout is at the target already'
  if (hasLargeFiles) await fetchLargeFiles(repository, config.deployment.remote, target.commit)
  if (wasInterrupted(update, 'checkout') && (await isHalfWay(repository, target.commit))) {
    verifyNoConflicts(repository, await localChanges(repository))
    return 'the checkout is half-way to the target'
  }
  return verifyNothingInTheWay(context, head)
}

/** All checks except local changes. Signatures come first: before that nothing in the commit counts. */
export async function verifyTarget(context: StepContext) {
  const { config, repository, update } = context
  const { from, target, rollback, channel } = update
  await verifySignatures(repository, config.deployment, from.commit, target)
  await fetchMissing(repository, config.deployment, from.commit, target.commit)
  const { version, hasLargeFiles } = await declaredBy(repository, target, config.deployment.version_file)
  if (version !== target.version) context.remember({ target: { ...target, version } })
  if (rollback === null && channel === 'alpha') await verifyFastForward(context)
  else if (rollback === null) await verifyRelease(context)
  const head = await headId(repository)
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
        because: `the new head ${head} does not descend from ${old}, which is deployed`,
        hint: `look at both: ${gitAt(repository.workTree)} log --oneline --graph ${old} ${head}; to take it: telec-update --accept-rewrite`,
        retryCommand: 'telec-update --accept-rewrite',
      },
    )
  await keepCommit(repository, 'replaced', from.commit)
}

/** Throws where a release has another history, such as that of another project with the same key, or is older. */
async function verifyRelease({ repository, paths, update }: StepContext): Promise<void> {
  const { from, target, permits } = update
  const relation = await relationOf(repository, target.commit, from.commit)
  if (relation === 'unrelated' && !permits.includes('rewrite'))
    throw new TelecError('halted', `${nameOf(target)} has no history in common with ${nameOf(from)}`, {
      because: 'it is of another project, or the history was rewritten',
      hint: `look at it: ${gitAt(repository.workTree)} log ${target.commit.slice(0, 12)}; to take it: telec-update --accept-rewrite`,
      retryCommand: 'telec-update --accept-rewrite',
    })
  const isOlder =
    from.version !== null && target.version !== null && compare(target.version, from.version) < 0
  if (relation !== 'ancestor' && !isOlder) return
  if (permits.includes('downgrade') || readChoices(paths).pin?.commit === target.commit) return
  throw new TelecError('halted', `${nameOf(target)} is older than ${nameOf(from)}, which is deployed`, {
    ...(!isOlder && { because: `${nameOf(from)} descends from it` }),
    hint: `publish a newer release, or skip this one (telec hold ${shortName(target)}), or take it: telec-update --allow-downgrade`,
    retryCommand: 'telec-update --allow-downgrade',
  })
}

/** telec neither rebases nor resets local commits. */
async function verifyNoLocalCommits({ repository, update }: StepContext, head: string): Promise<void> {
  const { from, target, left_at } = update
  if (head === from.commit || head === left_at || (await isAncestor(repository, head, target.commit))) return
  if (await isAncestor(repository, head, from.commit)) return
  const commits = await commitsBetween(repository, target.commit, head)
  throw new TelecError('halted', 'the checkout has commits of its own', {
    because: commits.join('\n'),
    hint: `push them, or move them to a branch: ${gitAt(repository.workTree)} branch mine && ${gitAt(repository.workTree)} reset --keep ${from.commit.slice(0, 12)}`,
  })
}

/** Halts where the update would overwrite local changes; it keeps all others. */
async function verifyNothingInTheWay(context: StepContext, head: string): Promise<string> {
  const { repository, update } = context
  const { commit } = update.target
  const [differing, changes] = await together(
    localChanges(repository),
    changesBetween(repository, head, commit),
  )
  verifyNoConflicts(repository, differing)
  const installed = unchangedSince(repository, update.changed).filter(({ path }) => differing.has(path))
  const local = new Map([...differing].filter(([path]) => !installed.some((one) => one.path === path)))
  context.remember({ local: [...local.keys()] })
  await verifyWritable(repository, changes)
  if (isCaseless(repository)) await verifyNamesApart(repository, update.target, changes)
  const found = await inTheWay(repository, local, changes)
  const paths = [...found.modified, ...found.untracked].map(printableName)
  const isTouched = isTouchedBy(repository, changes)
  const kept = [...local.keys()].filter((path) => !isTouched(path)).map(printableName)
  const remarks = [`${count(changes.length, 'file')} to change`]
  if (paths.length > 0 && !update.permits.includes('stash'))
    throw new TelecError('halted', `the update would overwrite ${count(paths.length, 'local file')}`, {
      because: paths.join('\n'),
      hint: `commit them, move them away, or restore them: ${gitAt(repository.workTree)} restore -- PATH; or stash them: telec-update --stash`,
      retryCommand: 'telec-update --stash',
    })
  if (paths.length > 0) {
    await context.writeDown()
    await stashPaths(repository, found, context.recordStash)
  }
  if (installed.length > 0) remarks.push(await restoreInstalled(context, installed))
  if (kept.length > 0) remarks.push(`kept local changes: ${kept.join(', ')}`)
  return remarks.join('; ')
}

function verifyNoConflicts({ workTree }: Repository, local: ReadonlyMap<string, string>): void {
  const paths = [...local]
    .filter(([, letters]) => /U|AA|DD/.test(letters))
    .map(([path]) => printableName(path))
  if (paths.length === 0) return
  throw new TelecError('halted', `${count(paths.length, 'file')} with merge conflicts`, {
    because: paths.join('\n'),
    hint: `resolve them (${gitAt(workTree)} add PATH), or abort (${gitAt(workTree)} status says how); then: telec-update --retry`,
  })
}

/** Where the disk takes two names as the same, the second file would silently replace the first. */
async function verifyNamesApart(
  repository: Repository,
  target: Target,
  changes: readonly Change[],
): Promise<void> {
  const touched = changes.map(({ path }) => path)
  const pairs = await collisions(repository, target.commit, touched)
  if (pairs.length === 0) return
  const disk = `the disk of ${repository.workTree}`
  throw new TelecError('halted', `${disk} cannot tell files of ${nameOf(target)} apart`, {
    because: pairs.map(printableName).join('\n'),
    hint: 'rename one of them in the repository and push: they differ only in case, or in the form of a letter',
  })
}
