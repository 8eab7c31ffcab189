/** Priorities as journald counts them (sd-daemon(3)), and colours (ECMA-48). */
const LEVELS = {
  error: [3, '\u001b[31m'],
  warning: [4, '\u001b[33m'],
  notice: [5, '\u001b[1m'],
  info: [6, ''],
  debug: [7, '\u001b[2m'],
} as const
type Level = keyof typeof LEVELS

export interface Log extends Record<Level, (message: string) => void> {
  /** The current work: in a terminal as a last line, until the next one or null; under systemd as the unit's status. */
  progress(message: string | null): void
  /** What to print when a kill ends this program; null: nothing. */
  onKill(message: string | null): void
  /** Prints it. */
  killed(): void
  /** The result, as the unit's status under systemd. */
  outcome(message: string): void
}

/** Erases the current line of a terminal (ECMA-48). */
const ERASE_LINE = '\r\u001b[K'

/**
 * In colour in a terminal, with `<N>` priorities where journald reads (`JOURNAL_STREAM`, systemd.exec(5)), plain
 * elsewhere. The journal always gets debug lines, other outputs with `TELEC_DEBUG=1`; `TELEC_QUIET=1` shows only warnings
 * and errors.
 *
 * @param open gives the output, when the first line is written: most polls write none.
 */
export function createLog(
  open: () => NodeJS.WriteStream,
  env: NodeJS.ProcessEnv,
  notify: ((status: string) => void) | null,
): Log {
  let opened: NodeJS.WriteStream | undefined
  const out = () => (opened ??= open())
  let underWay = ''
  let lastMessage: string | null = null
  const at = (level: Level) => (message: string) => {
    const isJournal = env.JOURNAL_STREAM !== undefined && out().isTTY !== true
    const [priority, colour] = LEVELS[level]
    if (level === 'debug' && !isJournal && !env.TELEC_DEBUG) return
    if (env.TELEC_QUIET && priority > LEVELS.warning[0]) return
    const sink = out()
    const isColoured = !isJournal && colour && usesColour(sink, env)
    const before = isJournal ? `<${priority}>` : isColoured ? colour : ''
    const after = isColoured ? '\u001b[0m' : ''
    if (underWay) sink.write(ERASE_LINE)
    for (const line of printable(message).split('\n')) sink.write(`${before}${line}${after}\n`)
    if (underWay) sink.write(underWay)
  }
  return {
    error: at('error'),
    warning: at('warning'),
    notice: at('notice'),
    info: at('info'),
    debug: at('debug'),
    progress(message) {
      if (message !== null) notify?.(statusLine(message))
      const sink = out()
      if (sink.isTTY !== true || env.TERM === 'dumb' || env.TELEC_QUIET) return
      if (underWay) sink.write(ERASE_LINE)
      underWay = printable(message ?? '').slice(0, (sink.columns || 80) - 1) // one that wraps cannot be erased
      sink.write(underWay)
    },
    onKill(message) {
      lastMessage = message
    },
    killed() {
      if (lastMessage !== null) at('notice')(lastMessage)
    },
    outcome(message) {
      notify?.(statusLine(message))
    },
  }
}

/** One line, short enough for systemctl's `Status:`. */
function statusLine(message: string): string {
  return printable(message.split('\n', 1)[0] ?? '').slice(0, 200)
}

/** Whether output to `sink` is coloured: as FORCE_COLOR says, else in a terminal without NO_COLOR (no-color.org). */
export function usesColour(sink: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== '0'
  return sink.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
}

/** Escapes characters that could rewrite or reorder a terminal's text (Cc, Bidi_Control); keeps newlines and tabs. */
export function printable(text: string): string {
  return text
    .replace(/\r+(?=\n|$)/g, '')
    .replaceAll('\r', '␍')
    .replace(
      /[^\P{Cc}\n\t]|\p{Bidi_Control}/gu,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
}

/** JSON whose every character a terminal shows; a parser reads the same data. */
export function printableJson(data: unknown, indent = 0): string {
  return printable(JSON.stringify(data, null, indent))
}

/** Raised where a field is removed or changes its meaning, never for a new one: docs/operating.md promises that. */
const DOCUMENT_VERSION = 1

/** The output of `--json`, with a version in the document, or in each element of a list. */
export function printableDocument(data: object, indent = 0): string {
  const withVersion = (one: object) => ({ version: DOCUMENT_VERSION, ...one })
  return printableJson(Array.isArray(data) ? data.map(withVersion) : withVersion(data), indent)
}

/** A name as one line, its newlines and tabs escaped too. */
export function printableName(name: string): string {
  return printable(name).replace(/\n/g, '\\u000a').replace(/\t/g, '\\u0009')
}
