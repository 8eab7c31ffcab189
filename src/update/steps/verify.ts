import compare from 'semver/functions/compare'
import { commitsBetween, headCommit, isAncestor, localChanges, pathsBetween } from '../../git/checkout.ts'
import { TelecError } from '../../system/errors.ts'
import { isEnded, wasInterrupted } from '../journal.ts'
import type { StepContext } from '../step.ts'

/** Decides on what was fetched whether the checkout may move to it: forwards only, and over nobody's work. */
export async function verify(context: StepContext): Promise<string> {
  const { world, repository, update } = context
  const { target } = update
  const head = await headCommit(world, repository)
  if (update.channel === 'alpha') await verifyFastForward(context)
  verifyNotOlder(context)
  await verifyNoLocalCommits(context, head)
  if (isEnded(update, 'checkout') || head === target.commit) return 'the checkout is there already'
  if (wasInterrupted(update, 'checkout')) return 'the checkout was on its way'
  return verifyNothingInTheWay(context, head)
}

async function verifyFastForward({ world, config, repository, update }: StepContext): Promise<void> {
  const { from, target } = update
  if (await isAncestor(world, repository, from.commit, target.commit)) return
  throw new TelecError(
    'halted',
    `${config.deployment.branch} was rewritten: the update is not a fast-forward`,
    {
      because: `${from.commit.slice(0, 12)}, which is deployed, is no ancestor of ${target.commit.slice(0, 12)}, the new head`,
      hint: `look at both: git -C ${repository.workTree} log --oneline --graph ${from.commit.slice(0, 12)} ${target.commit.slice(0, 12)}; a new head that descends from what is deployed is taken by itself`,
    },
  )
}

function verifyNotOlder({ update }: StepContext): void {
  const { from, target, channel } = update
  if (from.version === null || target.version === null || compare(target.version, from.version) >= 0) return
  if (channel === 'alpha') return // a branch moves forwards by its commits, whatever their version says
  throw new TelecError('halted', `${target.version} is older than ${from.version}, which is deployed`, {
    hint: 'telec does not go back by itself: publish a newer release, or change deployment.channel',
  })
}

/** Commits that a person made here are neither rebased nor reset. */
async function verifyNoLocalCommits({ world, repository, update }: StepContext, head: string): Promise<void> {
  const { from, target, left_at } = update
  if (head === from.commit || head === left_at || (await isAncestor(world, repository, head, target.commit)))
    return
  if (await isAncestor(world, repository, head, from.commit)) return
  const commits = await commitsBetween(world, repository, target.commit, head)
  throw new TelecError('halted', `the checkout has commits of its own`, {
    because: commits.join('\n'),
    hint: `push them, or put them on a branch: git -C ${repository.workTree} branch mine && git -C ${repository.workTree} reset --keep ${from.commit.slice(0, 12)}`,
  })
}

/** Local changes that the update does not touch stay as they are. */
async function verifyNothingInTheWay(
  { world, repository, update }: StepContext,
  head: string,
): Promise<string> {
  const { modified, untracked } = await localChanges(world, repository)
  const touched = await pathsBetween(world, repository, head, update.target.commit)
  const touchedSet = new Set(touched)
  // A folder that git ignores as a whole is listed with a slash at its end.
  const covers = (path: string) =>
    path.endsWith('/') ? touched.some((one) => one.startsWith(path)) : touchedSet.has(path)
  const inTheWay = [...modified, ...untracked].filter(covers)
  if (inTheWay.length > 0)
    throw new TelecError('halted', `the update would overwrite ${inTheWay.length} local file(s)`, {
      because: inTheWay.join('\n'),
      hint: `commit them, move them away, or put them back: git -C ${repository.workTree} restore -- PATH`,
    })
  const remark = modified.length > 0 ? `; left as they are, with local changes: ${modified.join(', ')}` : ''
  return `${touched.length} file(s) differ${remark}`
}
