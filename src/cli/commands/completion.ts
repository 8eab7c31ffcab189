import { Argument, Command } from 'commander'
import { COMPLETIONS, programs, type Shell } from '../docs/documents.ts'
import type { DefineCommand } from '../main.ts'

export const completionCommand: DefineCommand = (world) =>
  new Command('completion')
    .description('print what makes a shell complete the commands and options of telec')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(COMPLETIONS)))
    .addHelpText(
      'after',
      `
telec install puts it where the shells look for it.

Examples:
  source <(telec completion bash)
  telec completion fish | source`,
    )
    .action((shell: Shell, _options: unknown, command: Command) => {
      const root = command.parent ?? command
      world.out(programs(root).map(COMPLETIONS[shell]).join('\n'))
    })
