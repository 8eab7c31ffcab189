import { createSyncFor } from '../../config/service.ts'
import { commandEnvironment } from '../../service/environment.ts'
import { howToFind, NOT_FOUND, searched } from '../../service/programs-found.ts'
import { TelecError } from '../../system/errors.ts'
import { namesOf } from '../../system/groups.ts'
import { loadLaunch } from '../../system/launch.ts'
import { diskFull } from '../../system/space.ts'
import { noteChanges } from '../changed-files.ts'
import type { StepContext } from '../context.ts'

/** Runs the install command in the checkout, and logs its output. */
export async function install(context: StepContext): Promise<string> {
  const { install: command } = context.config.deployment
  if (command) return noteChanges(context, () => runInstall(context, command))
  context.remember({ changed: [] })
  return 'no install command is configured'
}

async function runInstall(context: StepContext, command: string): Promise<string> {
  const { world, config, paths, update } = context
  const { install_timeout, checkout } = config.deployment
  const environment = await commandEnvironment(context)
  const result = await world.run('/bin/sh', ['-c', command], {
    cwd: checkout,
    env: {
      ...environment,
      TELEC_HOME: paths.home,
      TELEC_CHECKOUT: checkout,
      TELEC_TO: update.target.version ?? '',
    },
    timeoutMs: install_timeout,
    loadLaunch,
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
  const how =
    result.endedBy === 'timeout'
      ? `did not end within ${install_timeout / 1000} s, and was killed`
      : `failed with ${result.signal ?? `exit code ${result.code}`}`
  const isMissing = result.code === NOT_FOUND
  const message = `the install command ${how}: ${command}`
  if (/No space left on device|ENOSPC/.test(result.stdout)) {
    const { because = '', hint = '' } = diskFull(checkout)
    throw new TelecError('later', message, { because: `${result.stdout}\n${because}`, hint })
  }
  throw new TelecError('halted', message, {
    because: isMissing ? `${result.stdout.trim()}\n${searched(environment)}` : result.stdout,
    hint: isMissing
      ? `${howToFind(world, environment, result.stdout)}; then: telec-update --retry`
      : `run it by hand: cd ${checkout} && ${command}; then: telec-update --retry`,
  })
}
