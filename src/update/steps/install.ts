import { nameOf } from '../../channel/target.ts'
import { createSyncFor } from '../../config/service.ts'
import { headId } from '../../git/checkout.ts'
import { commandEnvironment } from '../../service/environment.ts'
import { runShell, shellFailure } from '../../service/shell.ts'
import { gitAt, TelecError } from '../../system/errors.ts'
import { namesOf } from '../../system/groups.ts'
import { diskFull } from '../../system/space.ts'
import { noteChanges } from '../changed-files.ts'
import type { StepContext } from '../context.ts'

/** Runs the install command in the checkout, and logs its output. */
export async function install(context: StepContext): Promise<string> {
  const { install: command } = context.config.deployment
  if (!command) context.remember({ changed: [] })
  const note = command
    ? await noteChanges(context, () => runInstall(context, command))
    : 'no install command is configured'
  await verifyHead(context)
  return note
}

/** Throws where a restart would start another commit than the target. */
async function verifyHead({ repository, update: { target } }: StepContext): Promise<void> {
  const head = await headId(repository)
  if (head === target.commit) return
  throw new TelecError('halted', `HEAD moved to ${head.slice(0, 12)} during the update`, {
    because: `the target is ${nameOf(target)}; a migration or the install command moved HEAD`,
    hint: `see which: ${gitAt(repository.workTree)} reflog; let none of them move it, then: telec-update --retry`,
  })
}

async function runInstall(context: StepContext, command: string): Promise<string> {
  const { world, config, paths, update } = context
  const { install_timeout, checkout } = config.deployment
  const result = await runShell(world, command, {
    cwd: checkout,
    env: {
      ...(await commandEnvironment(context)),
      TELEC_HOME: paths.home,
      TELEC_CHECKOUT: checkout,
      TELEC_TO: update.target.version ?? '',
    },
    timeoutMs: install_timeout,
    onLine: (line) => world.log.info(`  | ${line}`),
    leftovers: 'keep',
  })
  if (result.code === 0 && result.leftovers.length > 0)
    world.log.warning(
      `the install command left processes running: ${namesOf(result.leftovers)}; under systemd they end with telec-update`,
    )
  if (result.code === 0) {
    await createSyncFor(context)()
    return `${command}: exit code 0`
  }
  const failure = shellFailure('the install command', command, checkout, result)
  if (!/No space left on device|ENOSPC/.test(result.stdout)) throw failure
  const { because = '', hint = '' } = diskFull(checkout)
  throw new TelecError('later', failure.message, { because: `${result.stdout}\n${because}`, hint })
}
