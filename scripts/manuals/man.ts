import { VERSION } from '../../src/system/version.ts'
import type { CommandData, OptionData } from './describe.ts'

const FILES = [
  ['~/.teleclaude/config.yml', 'the configuration; /etc/telec/config.yml in system scope'],
  ['~/.teleclaude', 'the state of telec; /var/lib/telec in system scope'],
  ['~/.teleclaude/services/NAME', 'configuration and state of a named service'],
] as const

const ENVIRONMENT = [
  ['TELEC_HOME', 'another folder for the configuration and the state'],
  ['TELEC_NAME', 'the service, as with --name'],
  ['TELEC_REDIS_URL', 'the Redis for telec notify, where there is no configuration'],
  ['TELEC_DEBUG', 'if set, show debug messages outside the journal, too, as with --verbose'],
  ['TELEC_QUIET', 'if set, show warnings and errors only, as with --quiet'],
  ['NO_COLOR', 'if set, show no colours, as with --no-color'],
  ['FORCE_COLOR', 'if set, and not 0, colour messages also without a terminal'],
] as const

/** Options of every command: the page lists them once. */
const EVERYWHERE = ['--help', '--quiet', '--verbose', '--no-color']

const PAGES = ['telec', 'telec-watch', 'telec-update', 'telec-migrate']

/** A manual page in the language of man(7). It has no date: the same commit gives the same page. */
export function manualPage(program: CommandData): string {
  const { path, description, options, subcommands, notes } = program
  const others = PAGES.filter((page) => page !== path).map((page) => `.BR ${page} (1)`)
  return [
    `.TH ${path.toUpperCase()} 1 "" "telec ${VERSION}" "telec"`,
    '.SH NAME',
    `${roff(path)} \\- ${roff(description)}`,
    '.SH SYNOPSIS',
    synopsis(program),
    ...(subcommands.length > 0 ? ['.SH COMMANDS', ...subcommands.flatMap(section)] : []),
    '.SH OPTIONS',
    ...options.flatMap(option),
    ...noteSections(notes),
    '.SH FILES',
    ...FILES.flatMap(([name, what]) => tagged(name, what)),
    '.SH ENVIRONMENT',
    ...ENVIRONMENT.flatMap(([name, what]) => tagged(name, what)),
    '.SH SEE ALSO',
    `${others.join(',\n')},\n.BR git (1),\n.BR systemctl (1),\n.BR launchctl (1)`,
    '',
  ].join('\n')
}

function synopsis({ path, usage }: CommandData): string {
  return `.B ${roff(path)}\n${roff(usage)}`
}

function section(command: CommandData): string[] {
  const { path, description, options, notes, subcommands } = command
  const own = notes.trim()
  return [
    `.SS ${roff(path)}`,
    `.B ${roff(path)}\n${roff(command.usage)}`,
    '.PP',
    roff(description),
    ...options.filter(({ names }) => !names.some((name) => EVERYWHERE.includes(name))).flatMap(option),
    ...(own === '' ? [] : ['.PP', '.nf', roff(own), '.fi']),
    ...subcommands.flatMap(section),
  ]
}

function option({ flags, description }: OptionData): string[] {
  return tagged(flags, description)
}

function tagged(tag: string, text: string): string[] {
  return ['.TP', `.B ${roff(tag)}`, roff(text)]
}

/** The end of the help: examples and exit codes. */
function noteSections(notes: string): string[] {
  const [text = '', codes = ''] = notes.split(/^Exit codes:\n/m)
  const own = text.trim()
  return [
    ...(own === '' ? [] : ['.SH EXAMPLES', '.nf', roff(own.replace(/^Examples?:\n/, '')), '.fi']),
    ...(codes === '' ? [] : ['.SH EXIT STATUS', '.nf', roff(codes.trimEnd()), '.fi']),
  ]
}

/** Text that means itself: roff(7) takes a backslash, and a dot or a quote at the start of a line, for its own. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1')
    .replace(
      /[^\x20-\x7e\n]/gu,
      (char) => `\\[u${char.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}]`,
    )
}
