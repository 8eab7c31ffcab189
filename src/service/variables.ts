/**
 * Reads lines `NAME=VALUE` as systemd reads an EnvironmentFile= (systemd.exec(5)): comments begin with `#` or `;`, quotes are
 * removed, a backslash at the end of a line continues it, nothing is expanded. Pure.
 *
 * @returns also the first other line, counted from 1.
 */
export function parseVariables(text: string): {
  readonly variables: Record<string, string>
  readonly malformed: number | null
} {
  const variables: Record<string, string> = {}
  let malformed: number | null = null
  let line = 1
  for (const [entry] of text.matchAll(ENTRY)) {
    const [, name, value = ''] = /^\s*(?:export\s+)?([A-Za-z_]\w*)=([\s\S]*)$/.exec(entry) ?? []
    if (name !== undefined) variables[name] = unquote(value.trim())
    else if (!/^\s*([#;].*)?$/.test(entry)) malformed ??= line
    line += entry.split('\n').length
  }
  return { variables, malformed }
}

/** A comment, or a line, which quotes and backslashes may continue. */
const ENTRY =
  /^(?:[ \t]*[#;].*|(?:[^=\n]*=[ \t]*(?:"(?:[^"\\]|\\[\s\S])*"|'[^']*'))[ \t]*$|(?:\\[\s\S]|[^\\\n])*)$/gm

function unquote(value: string): string {
  const [, double, single] = /^(?:"((?:[^"\\]|\\[\s\S])*)"|'([^']*)')$/.exec(value) ?? []
  if (single !== undefined) return single
  if (double !== undefined) return double.replace(/\\(["\\`$])/g, '$1').replace(/\\\n/g, '')
  return value.replace(/\\([\s\S])/g, (_, next: string) => (next === '\n' ? '' : next))
}
