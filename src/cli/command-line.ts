import { Argument, Command, CommanderError, Help, InvalidArgumentError, Option } from 'commander'
import { chooseScope, isServiceName, NAME_FORM } from '../config/services.ts'
import { EXIT, EXIT_CODES_HELP, TelecError } from '../system/errors.ts'
import { similarTo } from '../system/similar.ts'
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
  command.hook('preAction', (_, action) => takeEverywhere(world, action))
  return command.name(name).version(`${name} ${VERSION} (${COMMIT})`).addHelpText('after', EXIT_CODES_HELP)
}

function completeAll(command: Command): void {
  command
    .enablePositionalOptions() // what follows a subcommand is its own: migrate status --json
    .exitOverride()
    .showHelpAfterError('(--help shows what there is)')
    .configureHelp({
      minWidthToWrap: NARROWEST_TEXT,
      optionDescription: describeOption,
      subcommandTerm: (one) => one.name(),
    })
    .helpCommand(false)
  if (!command.options.some(({ long }) => long === '--name'))
    command.addOption(nameOption('-n, --name <name>'))
  for (const option of [...SAYING, ...SCOPES]) command.addOption(option)
  command.commands.forEach(completeAll)
}

/** A flag is off by default, as everybody expects. */
function describeOption(option: Option): string {
  return option.defaultValue === false ? option.description : new Help().optionDescription(option)
}

/** Where the help's text has less room than so many columns, a terminal breaks its lines. */
const NARROWEST_TEXT = 20

const SAYING = [
  new Option('-q, --quiet', 'no messages but warnings and errors').conflicts('verbose'),
  new Option('--verbose', 'debug messages, too'),
  new Option('--no-color', 'without colours'),
]

/** As systemctl(1) has them. */
const SCOPES = [
  new Option('--user', "the user's own services").conflicts('system'),
  new Option('--system', "the computer's services, configured in /etc/telec"),
]

/** `help COMMAND` is `COMMAND --help`. */
export function helpOf(program: Command): Command {
  return new Command('help')
    .description('how to use a command')
    .argument('[command...]', 'its words')
    .action((words: readonly string[]) => {
      let command = program
      for (const word of words) {
        const next = command.commands.find((one) => one.name() === word)
        if (!next) throw unknownCommand(command, word)
        command = next
      }
      command.outputHelp()
    })
}

function unknownCommand(command: Command, word: string): TelecError {
  const names = command
    .createHelp()
    .visibleCommands(command)
    .map((one) => one.name())
  const [meant] = similarTo(word, names)
  return new TelecError('usage', `there is no command ${word}${meant ? `; did you mean ${meant}?` : ''}`, {
    hint: 'see them all: telec help',
  })
}

/** Each command has it; one that has another `-n` adds its own. */
export function nameOption(flags: string): Option {
  return new Option(flags, 'which service (default: the only one)').argParser(parseName)
}

const parseName = parser(NAME_FORM, (text) => (isServiceName(text) ? text : null))

/** For the commands of every day: the service is their argument, too. */
export function serviceArgument(): Argument {
  return new Argument('[service]', 'its name, as --name takes it').argParser(parseName)
}

/** Has all that is run from here on find the service that was named, and say as much as was asked for. */
function takeEverywhere(world: World, action: Command): void {
  const { env } = world
  const { name, user, system, quiet, verbose } = action.optsWithGlobals<Everywhere>()
  if (user || system) chooseScope(world, user ? 'user' : 'system')
  if (quiet) env.TELEC_QUIET = '1'
  if (verbose) env.TELEC_DEBUG = '1'
  if (isPlain(action)) {
    env.NO_COLOR = '1'
    delete env.FORCE_COLOR
  }
  const index = action.registeredArguments.findIndex((argument) => argument.name() === 'service')
  const given: string | undefined = action.processedArgs[index]
  if (given !== undefined && name !== undefined && given !== name)
    throw new TelecError('usage', `two services are named: ${given}, and ${name} by --name`, {
      hint: 'name one',
    })
  const named = given ?? name
  if (named !== undefined) env.TELEC_NAME = named
}

/** Whether --no-color stands anywhere: in `optsWithGlobals` the default of a command around this one would undo it. */
function isPlain(command: Command): boolean {
  return command.opts().color === false || (command.parent !== null && isPlain(command.parent))
}

interface Everywhere {
  readonly name?: string
  readonly user?: boolean
  readonly system?: boolean
  readonly quiet?: true
  readonly verbose?: true
}

/** Reads an argument; where `parse` gives null, the answer is what it takes. */
export function parser<Value>(takes: string, parse: (text: string) => Value | null) {
  return (text: string): Value => {
    const value = parse(text)
    if (value === null) throw new InvalidArgumentError(`It takes ${takes}.`)
    return value
  }
}
