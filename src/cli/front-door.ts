import { Command } from 'commander'
import { TelecError } from '../system/errors.ts'
import { helpOf } from './command-line.ts'
import {
  holdCommand,
  pauseCommand,
  pinCommand,
  resumeCommand,
  unholdCommand,
  unpinCommand,
} from './commands/choices.ts'
import { doctorCommand } from './commands/doctor.ts'
import { fleetCommand, notifyCommand } from './commands/fleet.ts'
import { initCommand } from './commands/init.ts'
import { installCommand, uninstallCommand } from './commands/install.ts'
import { logsCommand } from './commands/logs.ts'
import { migrateCommand } from './commands/migrate/run.ts'
import { completionCommand, historyCommand, metricsCommand, versionCommand } from './commands/print.ts'
import { repairCommand } from './commands/repair.ts'
import { rollbackCommand } from './commands/rollback.ts'
import { runCommand } from './commands/run.ts'
import { statusCommand } from './commands/status.ts'
import { updateCommand } from './commands/update.ts'
import { watchCommand } from './commands/watch.ts'
import type { DefineCommand } from './main.ts'

const COMMANDS = [
  initCommand,
  installCommand,
  uninstallCommand,
  statusCommand,
  doctorCommand,
  repairCommand,
  historyCommand,
  logsCommand,
  pauseCommand,
  resumeCommand,
  pinCommand,
  unpinCommand,
  holdCommand,
  unholdCommand,
  rollbackCommand,
  metricsCommand,
  fleetCommand,
  notifyCommand,
  completionCommand,
  versionCommand,
  runCommand,
  watchCommand,
  updateCommand,
  migrateCommand,
]

/** Answers users who look for a command to deploy with; no help lists it. */
const deployAnswer = () =>
  new Command('deploy')
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .action(() => {
      throw new TelecError('usage', 'there is no command to deploy: telec deploys each push', {
        hint: 'push: git push, or git push origin TAG; to poll at once, on the computer of the service: telec update',
      })
    })

export const frontDoor: DefineCommand = (world, exitWith) => {
  const command = new Command()
    .description('Keeps a service that runs from a git checkout up to date. To deploy, push.')
    .addHelpText(
      'after',
      '\nExamples:\n  telec init --checkout ~/apps/web --service web.service\n  telec install\n  telec status',
    )
  for (const define of COMMANDS) command.addCommand(define(world, exitWith))
  command.addCommand(helpOf(command))
  command.addCommand(deployAnswer(), { hidden: true })
  return command
}
