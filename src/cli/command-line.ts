import { type Command, CommanderError } from 'commander'
import { EXIT, EXIT_CODES_HELP } from '../system/errors.ts'
import { COMMIT, VERSION } from '../system/version.ts'
import { type World, withoutReader } from '../system/world.ts'
import type { DefineCommand } from './main.ts'

/** Does what the arguments of the program ask for, for `main`. */
export async function runCommandLine(world: World, define: DefineCommand): Promise<number> {
  const { name } = world.program
  for (const stream of [process.stdout, process.stderr]) withoutReader(stream) // commander writes to them
  let code: number = EXIT.done
  const command = define(world, (given) => {
    code = given
  })
  command.name(name).version(`${name} ${VERSION} (${COMMIT})`)
  forEachCommand(command, (one) =>
    one
      .addHelpText('after', EXIT_CODES_HELP)
      .enablePositionalOptions() // what follows a subcommand is its own: migrate status --json
      .exitOverride()
      .showHelpAfterError('(--help shows what there is)')
      .helpCommand(false),
  )
  try {
    await command.parseAsync(process.argv)
    return code
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? EXIT.done : EXIT.usage // commander has said it
  }
}

function forEachCommand(command: Command, visit: (command: Command) => void): void {
  visit(command)
  for (const one of command.commands) forEachCommand(one, visit)
}
