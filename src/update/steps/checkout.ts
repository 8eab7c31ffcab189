import { completeMove, moveTo, nameTag, syncCheckout } from '../../git/checkout.ts'
import { followSubmodules, hasSubmodules } from '../../git/submodules.ts'
import type { StepContext } from '../step.ts'

/** Moves the checkout to the target. */
export async function checkout({
  config,
  repository,
  update,
  interrupted,
  writeDown,
}: StepContext): Promise<string> {
  const { target, channel } = update
  if (interrupted) await completeMove(repository, target.commit)
  await writeDown()
  const branch = channel === 'alpha' ? config.deployment.branch : null
  const rewrite = update.permits.includes('rewrite')
  await moveTo(repository, branch, target.commit, rewrite || update.rollback !== null)
  const submodules = await bringSubmodules()
  await nameTag(repository, target.ref, rewrite)
  await syncCheckout(repository)
  return `HEAD is ${target.commit.slice(0, 12)}${target.version ? ` (${target.version})` : ''}${submodules}`

  async function bringSubmodules(): Promise<string> {
    if (!hasSubmodules(repository)) return ''
    if (!config.deployment.submodules) return '; its submodules are not followed (deployment.submodules)'
    await followSubmodules(repository, config.deployment.remote)
    return ', with its submodules'
  }
}
