import { join } from 'node:path'
import { logFolder } from '../../config/paths.ts'
import { loadConfig, type Service, scopeOf } from '../../config/service.ts'
import { locateOfAnybody, ownerInsteadOfRoot } from '../../config/services.ts'
import { managerEnvironment } from '../../service/commands.ts'
import { readSupervisor } from '../../service/run/manager.ts'
import { canonicalName, journalSelection, ownUnit } from '../../service/systemd/systemctl.ts'
import { EXIT, TelecError } from '../../system/errors.ts'
import { readText } from '../../system/files.ts'
import { runAttached } from '../../system/process.ts'
import { nameOption, parser, serviceCommand } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'

interface Options {
  readonly follow: boolean
  readonly lines: number
  readonly since?: string
  readonly service: boolean
  readonly json: boolean
}

const PROGRAMS = ['telec-watch', 'telec-update', 'telec-listen', 'telec-restart']
const parseCount = parser('a number of lines', (text) => (/^\d{1,6}$/.test(text) ? Number(text) : null))

export const logsCommand: DefineCommand = (world, exitWith) =>
  serviceCommand('logs', 'show the log of telec and of the service')
    .option('-f, --follow', 'show new lines as they come', false)
    .option('-n, --lines <number>', 'the number of lines', parseCount, 100)
    .addOption(nameOption('--name <name>'))
    .option('--since <time>', 'since that time: "10 min ago", 2026-05-04 (as in journalctl)')
    .option('--no-service', "show telec's own log only")
    .option('--json', "print a JSON object per line, with journald's fields", false)
    .addHelpText('after', '\nExamples:\n  telec logs -f\n  telec logs --since "1 h ago" --no-service')
    .action(async (_, options: Options) => {
      const paths = locateOfAnybody(world) // journald decides who may read it
      const service = { world, config: await loadConfig(world, paths), paths }
      if ((await show(service, options)) !== 0) exitWith(EXIT.halted)
    })

function show(service: Service, options: Options): Promise<number> {
  const { world, paths } = service
  if (ownerInsteadOfRoot(world, paths) === null && readSupervisor(service) !== null)
    throw new TelecError('usage', 'telec run has no log: it writes to its own output', {
      hint: 'read the log of its container, or of what started it: docker logs CONTAINER',
    })
  return world.platform === 'darwin' ? showFiles(service, options) : showJournal(service, options)
}

/** Runs journalctl(1) with its own pager and colours. */
async function showJournal(service: Service, options: Options): Promise<number> {
  const { world, config, paths } = service
  const scope = scopeOf(service)
  const own = PROGRAMS.map((name) => ownUnit(paths, `${name}.service`))
  const names = options.service && config.service ? config.service.names : []
  const units = [...own, ...(await Promise.all(names.map((name) => canonicalName(world, scope, name))))]
  const args = [
    ...journalSelection(scope, units),
    `--lines=${options.lines}`,
    ...(options.follow ? ['--follow'] : []),
    ...(options.since === undefined ? [] : [`--since=${options.since}`]),
    ...(options.json ? ['--output=json'] : []),
  ]
  return runAttached('journalctl', args, managerEnvironment(world))
}

/** launchd has no log: its jobs write to files. */
async function showFiles({ world, paths }: Service, options: Options): Promise<number> {
  const folder = logFolder(paths, world.home)
  const files = PROGRAMS.map((name) => join(folder, `${name}.log`)).filter((path) => readText(path) !== null)
  if (files.length === 0)
    throw new TelecError('usage', `there is no log in ${folder} yet`, {
      hint: 'run telec install, and wait a minute',
    })
  const unknown = options.since !== undefined ? '--since' : options.json ? '--json' : null
  if (unknown !== null)
    throw new TelecError('usage', `${unknown} needs journald: launchd writes plain files`, {
      hint: 'show more lines: telec logs --lines 500',
    })
  return runAttached('tail', [`-n${options.lines}`, ...(options.follow ? ['-F'] : []), ...files], world.env)
}
