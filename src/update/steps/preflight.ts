import { openOperation } from '../../git/checkout.ts'
import { verifyGit } from '../../git/git.ts'
import { indexDamage } from '../../git/index-file.ts'
import { gitsAtWork, locksInTheWay } from '../../git/locks.ts'
import { commandEnvironment } from '../../service/environment.ts'
import { TelecError } from '../../system/errors.ts'
import { verifyFree } from '../../system/space.ts'
import type { StepContext } from '../step.ts'

/** A person's git is done long before, unless an editor is open. */
const OTHER_GIT_WAIT_MS = 3_000

/** Looks whether the update can work at all, before anything is touched. */
export async function preflight(context: StepContext): Promise<string> {
  const { world, repository, supervised } = context
  await verifyGit(world)
  verifyFree(repository.workTree)
  await commandEnvironment(context) // a file of variables that is missing halts here
  await waitForOtherGit(context)
  const open = openOperation(repository)
  if (open !== null)
    throw new TelecError('halted', `somebody is in the middle of ${open.name} in ${repository.workTree}`, {
      hint: `finish it, or leave it: git -C ${repository.workTree} ${open.abort}; then: telec-update --retry`,
    })
  const damage = indexDamage(repository) // by which all files could look as if somebody had removed them
  if (damage !== null)
    throw new TelecError('halted', `the git index of ${repository.workTree} is ${damage}`, {
      hint: 'make it anew, which touches no file: telec repair',
    })
  if (!supervised) return `no service to restart`
  const running: string[] = []
  const notes: string[] = []
  for (const manager of supervised.managers) {
    const { known, activity } = await manager.inspect()
    if (known === 'no')
      throw new TelecError(
        'config',
        `service.name is ${manager.service}, which ${manager.name} does not know`,
        {
          hint: 'install the service, or correct service.name and service.scope',
        },
      )
    const runs = activity === 'running' || activity === 'starting'
    if (runs || context.update.running.includes(manager.service)) running.push(manager.service)
    notes.push(`${manager.service} is ${activity}`)
  }
  context.remember({ running })
  return notes.join(', ')
}

/** Another git at work in the checkout is waited for: what belongs to nobody was removed before. */
async function waitForOtherGit({ world, config, repository }: StepContext): Promise<void> {
  const deadline = world.monotonic() + OTHER_GIT_WAIT_MS
  for (;;) {
    const locks = locksInTheWay(repository)
    if (locks.length === 0) return
    await world.sleep(100)
    if (world.monotonic() <= deadline) continue
    const [lock] = locks
    const gits = await gitsAtWork(repository)
    throw new TelecError('later', `another git is at work in ${config.deployment.checkout}`, {
      because: `${lock} exists; ${gits.join('; ') || 'no git is at work there on this computer'}`,
      hint: gits.length > 0 ? 'wait for it to end' : `where no git runs: rm ${lock}`,
    })
  }
}
