import { hasCommit, versionAt } from '../../git/checkout.ts'
import { fetchTarget, removeStalePacks } from '../../git/fetch.ts'
import { removeStaleLocks } from '../../git/leftovers.ts'
import { fetchLargeFiles } from '../../git/lfs.ts'
import type { StepContext } from '../step.ts'

/** Brings the target's commit here, and with it the version that it declares. */
export async function fetch({
  world,
  config,
  repository,
  update,
  interrupted,
  remember,
}: StepContext): Promise<string> {
  const { target } = update
  if (interrupted) await removeStaleLocks(world, repository)
  // What was deployed once is here; the remote may not offer it any more, or be the reason to go back.
  if (update.rollback && (await hasCommit(world, repository, target.commit)))
    return `${target.commit.slice(0, 12)} is here already`
  await removeStalePacks(world, repository)
  await fetchTarget(world, repository, config.deployment, target)
  await fetchLargeFiles(world, repository, config.deployment.remote, target.commit)
  if (target.version === null) {
    const version = await versionAt(world, repository, target.commit, config.deployment.version_file)
    if (version !== null) await remember({ target: { ...target, version } })
  }
  return `${target.commit.slice(0, 12)} of ${target.ref.replace(/^refs\/(heads|tags)\//, '')}`
}
