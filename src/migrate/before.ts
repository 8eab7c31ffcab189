import type { Service } from '../config/service.ts'
import { howToFind, NOT_FOUND, searched } from '../service/programs-found.ts'
import { TelecError } from '../system/errors.ts'
import { loadLaunch } from '../system/launch.ts'
import type { Planned } from './plan.ts'

/**
 * Runs `deployment.before_migrate`, such as a backup; it reads the list of what is pending, as JSON. Throws `halted` where it
 * fails: nothing has run by then.
 */
export async function runBefore(
  { world, config }: Service,
  env: NodeJS.ProcessEnv,
  pending: readonly Planned[],
): Promise<void> {
  const { before_migrate: command, install_timeout: timeoutMs, checkout } = config.deployment
  if (!command || pending.length === 0) return
  world.log.progress('running before_migrate')
  const { code, signal, endedBy, stdout } = await world.run('/bin/sh', ['-c', command], {
    cwd: checkout,
    env,
    timeoutMs,
    loadLaunch,
    input: JSON.stringify(pending.map(({ id, path, late }) => ({ id, path, late }))),
    onLine: (line) => world.log.info(`  | ${line}`),
  })
  if (code === 0) return
  const how =
    endedBy === 'timeout'
      ? `did not end within ${timeoutMs / 1000} s and was stopped`
      : `ended with ${signal ?? `exit code ${code}`}`
  const isMissing = code === NOT_FOUND
  throw new TelecError('halted', `the before_migrate command ${how}: ${command}`, {
    because: isMissing ? `${stdout.trim()}\n${searched(env)}` : stdout,
    hint: isMissing
      ? `${howToFind(world, env, stdout)}; then: telec-update --retry`
      : `try it by hand: cd ${checkout} && ${command}; then telec-update --retry`,
  })
}
