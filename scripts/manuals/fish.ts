import { functionName } from './bash.ts'
import { type CommandData, everyCommand, type OptionData } from './describe.ts'

/** Completion for fish, as it finds it in vendor_completions.d (complete(1)). */
export function fishCompletion(program: CommandData): string {
  const at = `${functionName(program)}_at`
  const commands = everyCommand(program)
  const known = commands.flatMap(({ subcommands }) => subcommands.map(({ path }) => quote(path)))
  const lines = commands.flatMap(({ path, options, subcommands, choices }) => {
    const condition = `complete -c ${program.path} -n ${quote(`${at} ${quote(path)}`)}`
    return [
      ...choices.map((choice) => `${condition} -f -a ${choice}`),
      ...subcommands.map(({ name, description }) => `${condition} -f -a ${name} -d ${quote(description)}`),
      ...options.map((option) => `${condition} ${optionWords(option)} -d ${quote(option.description)}`),
    ]
  })
  return `# Completion of ${program.path} for fish, made from the same definitions as its --help.
function ${at}
    set -l at ${quote(program.path)}
    for word in (commandline -opc)[2..]
        contains -- "$at $word" ${known.join(' ')}; and set at "$at $word"
    end
    test "$at" = "$argv[1]"
end
complete -c ${program.path} -f
${lines.join('\n')}
`
}

function optionWords({ names, takesValue, choices, isPath }: OptionData): string {
  const words = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  if (!takesValue) return words.join(' ')
  const values = choices.length > 0 ? `-x -a ${quote(choices.join(' '))}` : isPath ? '-r -F' : '-x'
  return `${words.join(' ')} ${values}`
}

/** A word of fish, in which a backslash escapes in single quotes, too. */
function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
