import { hasCommit } from '../../git/checkout.ts'
import { fetchTarget, removeStaleObjects } from '../../git/fetch.ts'
import type { StepContext } from '../context.ts'

/** Fetches the target's commit, but no submodule or large file: its signature is not verified yet. */
export async function fetch(context: StepContext): Promise<string> {
  const { config, repository, update } = context
  const { target } = update
  // A rollback needs no remote, which may lack the commit or be out of reach.
  if (update.rollback && (await hasCommit(repository, target.commit)))
    return `${target.commit.slice(0, 12)} is here already`
  await context.writeDown({ folder: 'synced later' }) // before git makes locks, whose age is compared with it
  await removeStaleObjects(repository)
  await fetchTarget(repository, config.deployment, target)
  return `${target.commit.slice(0, 12)} of ${target.ref.replace(/^refs\/(heads|tags)\//, '')}`
}
