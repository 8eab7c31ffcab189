import { type CommandData, everyCommand } from './describe.ts'

/** Completion for bash, as bash-completion loads it by the program's name, or `source` (complete in bash(1)). */
export function bashCompletion(program: CommandData): string {
  const commands = everyCommand(program)
  const steps = commands.flatMap(({ path, subcommands }) =>
    subcommands.map(({ name }) => `      ${quote(`${path} ${name}`)}) path="$path ${name}" ;;`),
  )
  const values = commands.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .flatMap(({ names, choices, isPath }) =>
        names.map((name) => {
          const reply = choices.length > 0 ? `-W ${quote(choices.join(' '))}` : isPath ? '-f' : '-W ""'
          return `    ${quote(`${path} ${name}`)}) COMPREPLY=($(compgen ${reply} -- "$current")); return ;;`
        }),
      ),
  )
  const words = commands.map(({ path, options, subcommands, choices }) => {
    const all = [...choices, ...subcommands.map(({ name }) => name), ...options.flatMap(({ names }) => names)]
    return `    ${quote(path)}) COMPREPLY=($(compgen -W ${quote(all.join(' '))} -- "$current")) ;;`
  })
  const name = functionName(program)
  return `# Completion of ${program.path} for bash, made from the same definitions as its --help.
${name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="${program.path}" word
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
${[...steps, '      *) ;;'].join('\n')}
    esac
  done
  case "$path \${COMP_WORDS[COMP_CWORD - 1]}" in
${[...values, '    *) ;;'].join('\n')}
  esac
  case "$path" in
${words.join('\n')}
  esac
}
complete -o default -F ${name} ${program.path}
`
}

export function functionName({ path }: CommandData): string {
  return `_${path.replace(/\W/g, '_')}`
}

/** A word of a shell, in quotes. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
