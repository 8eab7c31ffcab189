import type { Paths } from '../../config/paths.ts'
import { openService } from '../../config/service.ts'
import { asAsked, locateAll, shownName } from '../../config/services.ts'
import { type Checks, examine, type Finding } from '../../doctor/check.ts'
import { COMMAND_CHECKS, COMPUTER_CHECKS } from '../../doctor/computer.ts'
import { proveRestartContract } from '../../doctor/contract.ts'
import { DEPLOYMENT_CHECKS } from '../../doctor/deployment.ts'
import { TELEC_CHECKS } from '../../doctor/newer.ts'
import { startedBy, UNIT_CHECKS } from '../../doctor/units.ts'
import { verifyGit } from '../../git/git.ts'
import { locateRepository } from '../../git/repository.ts'
import { EXIT, orNull } from '../../system/errors.ts'
import { usesColour } from '../../system/log.ts'
import type { World } from '../../system/world.ts'
import { JSON_OPTION, serviceCommand } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'

const CHECKS: Checks = { ...COMPUTER_CHECKS, ...DEPLOYMENT_CHECKS, ...COMMAND_CHECKS, ...UNIT_CHECKS }
const CONTRACT: Checks = { contract: proveRestartContract }

export const doctorCommand: DefineCommand = (world, exitWith) =>
  serviceCommand('doctor', 'check configuration, git, remote, units and disk; a line each, with what to do')
    .option('--restart-contract', 'only test that exit code 42 restarts a unit', false)
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
It changes nothing; it only records a newer telec, for telec status. Exit code 1: a check failed.

Examples:
  telec doctor
  telec doctor --restart-contract   start a temporary unit that exits with 42, and wait for its restart`,
    )
    .action(async (_, { json, restartContract }: Record<'json' | 'restartContract', boolean>) => {
      const services = locateAll(world)
      const findings: (Finding & { service?: string })[] = []
      for (const [index, paths] of services.entries()) {
        const all = index === 0 ? { ...TELEC_CHECKS, ...CHECKS } : CHECKS // a newer telec is asked for once
        const service = services.length > 1 ? { service: shownName(paths) } : {}
        if (service.service && !json) world.out(`${service.service}:\n`)
        for await (const finding of diagnose(world, paths, restartContract ? CONTRACT : all)) {
          findings.push({ ...service, ...finding })
          if (!json)
            world.out(asAsked(world, show(finding)), finding.ok ? paint('✓', '32') : paint('✗', '31'))
        }
      }
      if (json) world.out(findings)
      if (findings.some(({ ok }) => !ok)) exitWith(EXIT.halted)
    })

/** Yields each finding at once. Without a configuration all other checks would fail. */
async function* diagnose(world: World, paths: Paths, checks: Checks): AsyncGenerator<Finding> {
  const opening = openService(world, paths)
  const config = await examine('config', async () => {
    const { config } = await opening
    return `${paths.config}: ${config.deployment.channel}, as ${config.computer}`
  })
  yield config
  if (!config.ok) return
  const service = await opening
  // Another check reports what these checks lack.
  const isThere = (await orNull(() => locateRepository(world, service.config.deployment.checkout))) !== null
  const hasGit = (await orNull(() => verifyGit(world))) !== null
  const isStarted = (await orNull(() => startedBy(service))) !== null
  const skipped = [
    ...(isThere ? [] : OF_CHECKOUT),
    ...(isThere && !hasGit ? OF_GIT : []), // telec needs no git to find the checkout missing
    ...(isStarted ? [] : OF_UNITS),
  ]
  for (const [name, run] of Object.entries(checks))
    if (!skipped.includes(name)) yield await examine(name, () => run(service))
}

const OF_CHECKOUT = ['disk', 'clock', 'remote', 'units', ...Object.keys(COMMAND_CHECKS)]
const OF_GIT = ['clock', 'checkout', 'remote']
const OF_UNITS = ['units', 'runs', 'polling']

const NEXT_LINE = `\n${' '.repeat(12)}`

function show({ check, message, because, hint }: Finding): string {
  const lines = [
    `${check.padEnd(9)} ${message}`,
    ...(because ? [`  ${because.replaceAll('\n', `${NEXT_LINE}  `)}`] : []),
    ...(hint ? [`what to do: ${hint}`] : []),
  ]
  return ` ${lines.join(NEXT_LINE)}\n`
}

function paint(text: string, code: string): string {
  return usesColour(process.stdout, process.env) ? `\u001b[${code}m${text}\u001b[0m` : text
}
