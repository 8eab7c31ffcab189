import type { Command, Option } from 'commander'

/** A command's definition: the source of `--help`, the manual pages and the completions. */
export interface CommandData {
  /** All of its words: `telec migrate new`. */
  readonly path: string
  readonly name: string
  readonly description: string
  /** What follows the words: `[options] <command...>`. */
  readonly usage: string
  readonly options: readonly OptionData[]
  readonly subcommands: readonly CommandData[]
  /** The values that its arguments may have, where known. */
  readonly choices: readonly string[]
  /** The text of `--help` after the options. */
  readonly notes: string
}

export interface OptionData {
  /** `-n, --lines <number>`. */
  readonly flags: string
  /** `-n` and `--lines`. */
  readonly names: readonly string[]
  readonly description: string
  readonly takesValue: boolean
  readonly choices: readonly string[]
  /** Its value is a path. */
  readonly isPath: boolean
}

/** Reads a command's definition, with all that is below it. @param path the words that lead to it. */
export function describe(command: Command, path: string): CommandData {
  const help = command.createHelp()
  return {
    path,
    name: command.name(),
    description: command.description(),
    usage: command.usage(),
    options: help.visibleOptions(command).map(describeOption),
    subcommands: help.visibleCommands(command).map((one) => describe(one, `${path} ${one.name()}`)),
    choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
    notes: notesOf(command),
  }
}

function describeOption({
  flags,
  short,
  long,
  description,
  required,
  optional,
  argChoices,
}: Option): OptionData {
  return {
    flags,
    names: [short, long].filter((name) => name !== undefined && name !== null),
    description,
    takesValue: required || optional,
    choices: argChoices ?? [],
    isPath: /<(path|file|folder)>/.test(flags),
  }
}

/** Only commander's listeners know the added help text: it is taken from the printed help. */
function notesOf(command: Command): string {
  let printed = ''
  const { writeOut } = command.configureOutput()
  command.configureOutput({
    writeOut: (text) => {
      printed += text
    },
  })
  command.outputHelp()
  command.configureOutput(writeOut ? { writeOut } : {})
  return printed.slice(command.helpInformation().length)
}

/** The command and all that is below it, each once. */
export function everyCommand(command: CommandData): CommandData[] {
  return [command, ...command.subcommands.flatMap(everyCommand)]
}
