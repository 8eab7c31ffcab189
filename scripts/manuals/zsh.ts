import { functionName, quote } from './bash.ts'
import { type CommandData, everyCommand, type OptionData } from './describe.ts'

/** Completion for zsh, as compinit finds it in a folder of fpath (zshcompsys(1)), or `source`d after compinit. */
export function zshCompletion(program: CommandData): string {
  const commands = everyCommand(program)
  const steps = commands.flatMap(({ path, subcommands }) =>
    subcommands.map(({ name }) => `      (${quote(`${path} ${name}`)}) at="$at ${name}" ;;`),
  )
  const values = commands.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .flatMap((option) =>
        option.names.map((name) => `    (${quote(`${path} ${name}`)}) ${values1(option)}; return ;;`),
      ),
  )
  const lists = commands.map(({ path, options, subcommands, choices }) => {
    const words = [...choices.map(quote), ...subcommands.map((one) => entry(one.name, one.description))]
    const flags = options.flatMap(({ names, description }) => names.map((name) => entry(name, description)))
    return `    (${quote(path)}) words_here=(${words.join(' ')}) flags_here=(${flags.join(' ')}) ;;`
  })
  const name = functionName(program)
  return `#compdef ${program.path}
# Completion of ${program.path} for zsh, made from the same definitions as its --help.
${name}() {
  local at=${quote(program.path)} word
  local -a words_here flags_here
  for word in \${words[2,CURRENT-1]}; do
    case "$at $word" in
${[...steps, '      (*) ;;'].join('\n')}
    esac
  done
  case "$at $words[CURRENT-1]" in
${[...values, '    (*) ;;'].join('\n')}
  esac
  case "$at" in
${lists.join('\n')}
  esac
  _describe ${quote(program.path)} words_here
  _describe -o option flags_here
}
if [[ $funcstack[1] = ${name} ]]; then ${name} "$@"; else compdef ${name} ${program.path}; fi
`
}

function values1({ choices, isPath }: OptionData): string {
  if (choices.length > 0) return `compadd ${choices.map(quote).join(' ')}`
  return isPath ? '_files' : '_message value'
}

/** `NAME:DESCRIPTION`; a colon in the name would end it. */
function entry(name: string, description: string): string {
  return quote(`${name.replaceAll(':', '\\:')}:${description}`)
}
