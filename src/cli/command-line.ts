import { type Command, CommanderError, InvalidArgumentError } from 'commander'
import { EXIT, EXIT_CODES_HELP } from '../system/errors.ts'
import { COMMIT, VERSION } from '../system/version.ts'
import { type World, withoutReader } from '../system/world.ts'
import type { DefineCommand } from './main.ts'

/** Does what the arguments of the program ask for, for `main`. */
export async function runCommandLine(world: World, define: DefineCommand): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) withoutReader(stream) // commander writes to them
  let code: number = EXIT.done
  const command = defineProgram(world, define, (given) => {
    code = given
  })
  try {
    await command.parseAsync(process.argv)
    return code
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? EXIT.done : EXIT.usage // commander has said it
  }
}

/** A program's command with what each of ours has: the exit codes in its help, and 2 for wrong usage. */
export function defineProgram(world: World, define: DefineCommand, leave: (code: number) => void): Command {
  const { name } = world.program
  const command = define(world, leave)
  completeAll(command)
  return command.name(name).version(`${name} ${VERSION} (${COMMIT})`)
}

function completeAll(command: Command): void {
  command
    .addHelpText('after', EXIT_CODES_HELP)
    .enablePositionalOptions() // what follows a subcommand is its own: migrate status --json
    .exitOverride()
    .showHelpAfterError('(--help shows what there is)')
    .helpCommand(false)
  command.commands.forEach(completeAll)
}

/** Reads an argument; where `parse` gives null, the answer is what it takes. */
export function parser<Value>(takes: string, parse: (text: string) => Value | null) {
  return (text: string): Value => {
    const value = parse(text)
    if (value === null) throw new InvalidArgumentError(`It takes ${takes}.`)
    return value
  }
}
