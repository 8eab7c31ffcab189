import { join } from 'node:path'
import { Command } from 'commander'
import { logFolder } from '../../config/paths.ts'
import { loadConfig, type Service } from '../../config/service.ts'
import { locateOfAnybody, ownerInsteadOfRoot } from '../../config/services.ts'
import { managerEnvironment } from '../../service/commands.ts'
import { findService } from '../../service/find.ts'
import { canonicalName, journalSelection, ownUnit } from '../../service/systemd/systemctl.ts'
import { EXIT, TelecError } from '../../system/errors.ts'
import { readText } from '../../system/files.ts'
import { runAttached } from '../../system/process.ts'
import { nameOption, parser, serviceArgument } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'

interface Options {
  readonly follow: boolean
  readonly lines: number
  readonly since?: string
  readonly service: boolean
  readonly json: boolean
}

const UNITS = ['telec-watch.service', 'telec-update.service', 'telec-listen.service', 'telec-restart.service']
const parseCount = parser('a number of lines', (text) => (/^\d{1,6}$/.test(text) ? Number(text) : null))
const LOG_FILES = ['telec-watch.log', 'telec-update.log', 'telec-listen.log']

export const logsCommand: DefineCommand = (world, leave) =>
  new Command('logs')
    .addArgument(serviceArgument())
    .description('what telec and the service wrote to the log, oldest first')
    .option('-f, --follow', 'go on with what is written from now on', false)
    .option('-n, --lines <number>', 'so many of the last lines', parseCount, 100)
    .addOption(nameOption('--name <name>'))
    .option('--since <time>', 'from then on, as journalctl takes it: "10 min ago", 2026-05-04')
    .option('--no-service', "telec's own only, not the service's")
    .option('--json', "as JSON, for programs: a line each, with journald's fields", false)
    .addHelpText('after', '\nExamples:\n  telec logs -f\n  telec logs --since "1 h ago" --no-service')
    .action(async (_, options: Options) => {
      const paths = locateOfAnybody(world) // what it shows is the manager's
      const service = { world, config: await loadConfig(world, paths), paths }
      if ((await show(service, options)) !== 0) leave(EXIT.halted)
    })

function show(service: Service, options: Options): Promise<number> {
  const { world, paths } = service
  if (ownerInsteadOfRoot(world, paths) === null && findService(service)?.managers[0].name === 'telec run')
    throw new TelecError('usage', 'telec run writes to its own output', {
      hint: 'look at the log of what started it, such as: docker logs CONTAINER',
    })
  return world.platform === 'darwin' ? showFiles(service, options) : showJournal(service, options)
}

/** journalctl(1) as a person would call it, with its own pager and colours. */
async function showJournal({ world, config, paths }: Service, options: Options): Promise<number> {
  const { service } = config
  const scope = service?.scope ?? paths.scope
  const own = UNITS.map((unit) => ownUnit(paths, unit))
  const names = options.service && service ? service.names : []
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

/** What launchd's jobs wrote; it has no log of its own for them. */
async function showFiles({ world, paths }: Service, options: Options): Promise<number> {
  const folder = logFolder(paths, world.home)
  const files = LOG_FILES.map((name) => join(folder, name)).filter((path) => readText(path) !== null)
  if (files.length === 0)
    throw new TelecError('usage', `there is no log in ${folder} yet`, {
      hint: 'telec install, and wait a minute',
    })
  const unknown = options.since !== undefined ? '--since' : options.json ? '--json' : null
  if (unknown !== null)
    throw new TelecError('usage', `the log files of launchd know no ${unknown}`, {
      hint: 'telec logs --lines 500',
    })
  return runAttached('tail', [`-n${options.lines}`, ...(options.follow ? ['-F'] : []), ...files], world.env)
}
