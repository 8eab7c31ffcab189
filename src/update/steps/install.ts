import { actAs, commandAs } from '../../system/account.ts'
import { TelecError } from '../../system/errors.ts'
import type { StepContext } from '../step.ts'

const TAIL_LINES = 20

/** Runs the configured install command in the checkout, its output line by line into the log. */
export async function install({ world, config, paths, repository, update }: StepContext): Promise<string> {
  const { install: command, install_timeout, checkout } = config.deployment
  if (!command) return 'no install command is configured'
  const tail: string[] = []
  const result = await world.stream(commandAs(repository.owner, ['/bin/sh', '-c', command]), {
    cwd: checkout,
    env: {
      ...actAs(world, repository.owner).env,
      TELEC_HOME: paths.home,
      TELEC_CHECKOUT: checkout,
      TELEC_TO: update.target.version ?? '',
    },
    timeoutMs: install_timeout,
    onLine(line) {
      world.log.info(`  | ${line}`)
      tail.push(line)
      if (tail.length > TAIL_LINES) tail.shift()
    },
  })
  if (result.code === 0) return `${command}: exit code 0`
  const how =
    result.endedBy === 'timeout'
      ? `did not end within ${install_timeout / 1000} s and was stopped`
      : `ended with ${result.signal ?? `exit code ${result.code}`}`
  const isDiskFull = tail.some((line) => /No space left on device|ENOSPC/.test(line))
  throw new TelecError(isDiskFull ? 'later' : 'halted', `the install command ${how}: ${command}`, {
    because: tail.join('\n'),
    hint: `try it by hand: cd ${checkout} && ${command}; then telec-update --retry`,
  })
}
