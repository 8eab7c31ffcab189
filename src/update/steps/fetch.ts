import { hasCommit } from '../../git/checkout.ts'
import { fetchTarget, removeStaleObjects } from '../../git/fetch.ts'
import type { StepContext } from '../step.ts'

/** Brings the target's commit here, and nothing that it names: nobody has looked yet at who made it. */
export async function fetch(context: StepContext): Promise<string> {
  const { config, repository, update } = context
  const { target } = update
  // What was deployed once is here; the remote may not offer it any more, or be the reason to go back.
  if (update.rollback && (await hasCommit(repository, target.commit)))
    return `${target.commit.slice(0, 12)} is here already`
  await context.writeDown({ folder: 'synced later' }) // older on the disk than the locks that git may leave
  await removeStaleObjects(repository)
  await fetchTarget(repository, config.deployment, target)
  return `${target.commit.slice(0, 12)} of ${target.ref.replace(/^refs\/(heads|tags)\//, '')}`
}
