import { hasCommit, versionAt } from '../../git/checkout.ts'
import { fetchTarget, removeStaleObjects } from '../../git/fetch.ts'
import { removeStaleLocks } from '../../git/leftovers.ts'
import { fetchLargeFiles } from '../../git/lfs.ts'
import { together } from '../../system/limit.ts'
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
  if (interrupted) await removeStaleLocks(repository)
  // What was deployed once is here; the remote may not offer it any more, or be the reason to go back.
  if (update.rollback && (await hasCommit(repository, target.commit)))
    return `${target.commit.slice(0, 12)} is here already`
  await removeStaleObjects(repository)
  const { remote, version_file } = config.deployment
  await fetchTarget(repository, config.deployment, target)
  const [version] = await together(
    target.version ?? versionAt(repository, target.commit, version_file),
    fetchLargeFiles(repository, remote, target.commit),
  )
  if (version !== target.version) await remember({ target: { ...target, version } })
  return `${target.commit.slice(0, 12)} of ${target.ref.replace(/^refs\/(heads|tags)\//, '')}`
}
