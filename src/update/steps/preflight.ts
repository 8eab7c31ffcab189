import { openOperation } from '../../git/checkout.ts'
import { verifyGit } from '../../git/git.ts'
import { indexDamage } from '../../git/index-file.ts'
import { gitsAtWork, locksInTheWay } from '../../git/locks.ts'
import { commandEnvironment } from '../../service/environment.ts'
import { gitAt, shellWord, TelecError } from '../../system/errors.ts'
import { verifyFree } from '../../system/space.ts'
import type { StepContext } from '../context.ts'

/** Longer than most git commands take, unless an editor is open. */
const OTHER_GIT_WAIT_MS = 3_000

/** Checks what an update needs, before it changes anything. */
export async function preflight(context: StepContext): Promise<string> {
  const { world, repository, supervised } = context
  await verifyGit(world)
  verifyFree(repository.workTree)
  await commandEnvironment(context) // halts here where a file of variables is missing
  await waitForOtherGit(context)
  const open = openOperation(repository)
  if (open !== null)
    throw new TelecError('halted', `${open.name} is in progress in ${repository.workTree}`, {
      hint: `finish it, or abort it: ${gitAt(repository.workTree)} ${open.abort}; then: telec-update --retry`,
    })
  const damage = indexDamage(repository) // with it every file could look removed
  if (damage !== null)
    throw new TelecError('halted', `the git index of ${repository.workTree} is ${damage}`, {
      hint: 'rebuild it, which changes no file: telec repair',
    })
  if (!supervised) return 'no service to restart'
  const running: string[] = []
  const notes: string[] = []
  for (const manager of supervised.managers) {
    const { known, activity } = await manager.inspect()
    if (known === 'no')
      throw new TelecError('config', `${manager.name} does not know ${manager.service} (service.name)`, {
        hint: 'install the service, or correct service.name and service.scope',
      })
    const runs = activity === 'running' || activity === 'starting'
    if (runs || context.update.running.includes(manager.service)) running.push(manager.service)
    notes.push(`${manager.service} is ${activity}`)
  }
  context.remember({ running })
  return notes.join(', ')
}

/** Waits for another git in the checkout; the locks of a killed git were removed before. */
async function waitForOtherGit({ world, config, repository }: StepContext): Promise<void> {
  const deadline = world.monotonic() + OTHER_GIT_WAIT_MS
  for (;;) {
    const locks = locksInTheWay(repository)
    if (locks.length === 0) return
    await world.sleep(100)
    if (world.monotonic() <= deadline) continue
    const [lock = ''] = locks
    const gits = await gitsAtWork(repository)
    throw new TelecError('later', `another git is at work in ${config.deployment.checkout}`, {
      because: `${lock} exists; ${gits.join('; ') || 'no git runs there on this computer'}`,
      hint:
        gits.length > 0 ? 'wait until it exits' : `remove the lock, if no git runs: rm ${shellWord(lock)}`,
    })
  }
}
