import { dirname, join } from 'node:path'
import { Argument, Command } from 'commander'
import { TelecError } from '../../system/errors.ts'
import { readText } from '../../system/files.ts'
import type { World } from '../../system/world.ts'
import type { DefineCommand } from '../main.ts'

const PROGRAMS = ['telec', 'telec-watch', 'telec-update', 'telec-migrate']

/** A program's file in the package, under the name by which the shell looks for it. */
const FILES = { bash: 'PROGRAM.bash', zsh: '_PROGRAM', fish: 'PROGRAM.fish' }

export const completionCommand: DefineCommand = (world) =>
  new Command('completion')
    .description('print what makes a shell complete the commands and options of telec')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(FILES)))
    .addHelpText(
      'after',
      `
Examples, each for a shell's start-up file:
  source <(telec completion bash)
  source <(telec completion zsh)      # after compinit
  telec completion fish | source`,
    )
    .action((shell: keyof typeof FILES) => {
      const names = PROGRAMS.map((program) => FILES[shell].replace('PROGRAM', program))
      world.out(names.map((name) => completionFile(world, name)).join('\n'))
    })

function completionFile({ program }: World, name: string): string {
  const path = join(dirname(program.path), 'completions', name)
  const text = readText(path)
  if (text !== null) return text
  throw new TelecError('halted', `${path} is missing`, {
    because: 'completions are part of the npm package and of the archive of a release, beside the programs',
    hint: `install telec with npm, or copy completions from the archive to ${dirname(program.path)}`,
  })
}
