import { Argument, Command, CommanderError, Help, InvalidArgumentError, Option } from 'commander'
import { chooseScope, isServiceName, NAME_FORM } from '../config/services.ts'
import { EXIT, EXIT_CODES_HELP, TelecError } from '../system/errors.ts'
import { similarTo } from '../system/similar.ts'
import { COMMIT, VERSION } from '../system/version.ts'
import { type World, withoutReader } from '../system/world.ts'
import type { DefineCommand } from './main.ts'

/** Runs the command that the arguments name. */
export async function runCommandLine(world: World, define: DefineCommand): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) withoutReader(stream) // commander writes to both
  let code: number = EXIT.done
  const command = defineProgram(world, define, (given) => {
    code = given
  })
  try {
    await command.parseAsync(process.argv)
    return code
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? EXIT.done : EXIT.usage // commander has printed the message
  }
}

/** A program's command, with the options, exit codes and errors that all programs share. */
export function defineProgram(
  world: World,
  define: DefineCommand,
  exitWith: (code: number) => void,
): Command {
  const { name } = world.program
  const command = define(world, exitWith)
  addCommon(command)
  command.hook('preAction', (_, action) => applyCommon(world, action))
  return command.name(name).version(`${name} ${VERSION} (${COMMIT})`).addHelpText('after', EXIT_CODES_HELP)
}

function addCommon(command: Command): void {
  command
    .enablePositionalOptions() // telec migrate status --json: --json belongs to status
    .exitOverride()
    .showHelpAfterError('(--help lists commands and options)')
    .configureHelp({
      minWidthToWrap: NARROWEST_TEXT,
      optionDescription: describeOption,
      subcommandTerm: (one) => one.name(),
    })
    .helpCommand(false)
  if (!command.options.some(({ long }) => long === '--name'))
    command.addOption(nameOption('-n, --name <name>'))
  for (const option of COMMON_OPTIONS) command.addOption(option)
  command.commands.forEach(addCommon)
}

/** Without `(default: false)`: every flag is off by default. */
function describeOption(option: Option): string {
  return option.defaultValue === false ? option.description : new Help().optionDescription(option)
}

/** Below this many columns commander does not wrap the help's text: the terminal does. */
const NARROWEST_TEXT = 20

export const JSON_OPTION = ['--json', 'print the result as JSON', false] as const

/** The scopes are named as in systemctl(1). */
const COMMON_OPTIONS = [
  new Option('-q, --quiet', 'show warnings and errors only').conflicts('verbose'),
  new Option('--verbose', 'show debug messages, too'),
  new Option('--no-color', 'show no colours'),
  new Option('--user', "the user's own services").conflicts('system'),
  new Option('--system', "the computer's services, configured in /etc/telec"),
]

/** `help COMMAND` is `COMMAND --help`. */
export function helpOf(program: Command): Command {
  return new Command('help')
    .description('show how to use a command')
    .argument('[command...]', 'its words')
    .action((words: readonly string[]) => words.reduce(subcommandOf, program).outputHelp())
}

function subcommandOf(command: Command, word: string): Command {
  const found = command.commands.find((one) => one.name() === word)
  if (found) return found
  const names = command.createHelp().visibleCommands(command)
  const [meant] = similarTo(
    word,
    names.map((one) => one.name()),
  )
  throw new TelecError('usage', `there is no command ${word}${meant ? `; did you mean ${meant}?` : ''}`, {
    hint: 'list them: telec help',
  })
}

/** Every command has this option; a command that needs `-n` for something else adds it without. */
export function nameOption(flags: string): Option {
  return new Option(flags, 'the service (default: the only one)').argParser(parseName)
}

const parseName = parser(NAME_FORM, (text) => (isServiceName(text) ? text : null))

/** A command for one service, which its last argument may name. */
export function serviceCommand(name: string, description: string, first?: Argument): Command {
  const service = new Argument('[service]', 'the name of the service, as for --name').argParser(parseName)
  const command = new Command(name).description(description)
  return (first ? command.addArgument(first) : command).addArgument(service)
}

/** Puts the common options into the environment, where the whole program and its children read them. */
function applyCommon(world: World, action: Command): void {
  const { env } = world
  const { name, user, system, quiet, verbose } = action.optsWithGlobals<{
    readonly name?: string
    readonly user?: boolean
    readonly system?: boolean
    readonly quiet?: true
    readonly verbose?: true
  }>()
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

/** Whether --no-color is given at any level: in `optsWithGlobals` the default of an outer command would win. */
function isPlain(command: Command): boolean {
  return command.opts().color === false || (command.parent !== null && isPlain(command.parent))
}

/** Parses an argument; where `parse` returns null, the error says what the argument takes. */
export function parser<Value>(takes: string, parse: (text: string) => Value | null) {
  return (text: string): Value => {
    const value = parse(text)
    if (value === null) throw new InvalidArgumentError(`It takes ${takes}.`)
    return value
  }
}
