import { Command } from 'commander'
import { locate } from '../../config/paths.ts'
import { openService } from '../../config/service.ts'
import { type Checks, examine, type Finding } from '../../doctor/check.ts'
import { COMPUTER_CHECKS } from '../../doctor/computer.ts'
import { proveRestartContract } from '../../doctor/contract.ts'
import { DEPLOYMENT_CHECKS } from '../../doctor/deployment.ts'
import { UNIT_CHECKS } from '../../doctor/units.ts'
import { EXIT } from '../../system/errors.ts'
import { printable, usesColour } from '../../system/log.ts'
import type { World } from '../../system/world.ts'
import type { DefineCommand } from '../main.ts'

interface Options {
  readonly json: boolean
  readonly restartContract: boolean
}

const CHECKS: Checks = { ...COMPUTER_CHECKS, ...DEPLOYMENT_CHECKS, ...UNIT_CHECKS }
const CONTRACT: Checks = { contract: proveRestartContract }

export const doctorCommand: DefineCommand = (world, leave) =>
  new Command('doctor')
    .description(
      'whether all is as it should be: configuration, git, remote, units, disk; a line each, or what to do',
    )
    .option(
      '--restart-contract',
      'only prove, with a unit of its own, that exit code 42 brings a service back',
      false,
    )
    .option('--json', 'as JSON, for programs', false)
    .addHelpText(
      'after',
      `
It changes nothing. Exit code 1: something is wrong.

Examples:
  telec doctor
  telec doctor --restart-contract   starts a throw-away unit that exits 42, and sees it come back`,
    )
    .action(async ({ json, restartContract }: Options) => {
      const findings = await diagnose(world, restartContract ? CONTRACT : CHECKS, (finding) => {
        if (!json) world.out(show(finding))
      })
      if (json) world.out(`${JSON.stringify(findings, null, 2)}\n`)
      if (findings.some(({ ok }) => !ok)) leave(EXIT.halted)
    })

/** Each as it is found. Without a configuration there is nothing else to look at. */
async function diagnose(
  world: World,
  checks: Checks,
  onFinding: (finding: Finding) => void,
): Promise<Finding[]> {
  const findings: Finding[] = []
  const add = (finding: Finding) => {
    findings.push(finding)
    onFinding(finding)
  }
  locate(world) // a home that is not to be trusted is no finding: nothing of it is looked at
  const opening = openService(world)
  const config = await examine('config', async () => {
    const { config, paths } = await opening
    return `${paths.config}: ${config.deployment.channel}, as ${config.computer}`
  })
  add(config)
  if (!config.ok) return findings
  const service = await opening
  for (const [name, run] of Object.entries(checks)) add(await examine(name, () => run(service)))
  return findings
}

const INDENT = ' '.repeat(12)

function show({ check, ok, message, because, hint }: Finding): string {
  const mark = ok ? paint('✓', '32') : paint('✗', '31')
  const more = [
    ...(because ? because.split('\n').map((line) => `  ${line}`) : []),
    ...(hint ? [`what to do: ${hint}`] : []),
  ]
  return `${mark} ${printable([`${check.padEnd(9)} ${message}`, ...more.map((line) => `${INDENT}${line}`)].join('\n'))}\n`
}

function paint(text: string, code: string): string {
  return usesColour(process.stdout, process.env) ? `\u001b[${code}m${text}\u001b[0m` : text
}
