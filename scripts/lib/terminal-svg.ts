/** A line of a terminal, and when it was printed. */
export interface Line {
  readonly text: string
  /** Since the recording began. */
  readonly atMs: number
}

const CHAR_WIDTH = 7.83 // of 13 px in the usual monospaced fonts
const LINE_HEIGHT = 19
const MARGIN = 16
const BAR = 28
/** The longest pause that the picture keeps. */
const LONGEST_PAUSE_MS = 900

/** How lines are coloured: the first that fits, by the part that the first group has. */
const COLOURS: readonly (readonly [RegExp, string])[] = [
  [/^\$ .*/, 'prompt'],
  [/ s {2}(halted) /, 'bad'],
  [/(?:^| {2})(halted) /, 'bad'],
  [/ s {2}(\w+) /, 'name'],
  [/^(\w+(?: poll)?) {2,}/, 'name'],
]

/** Draws a terminal whose lines appear at their times; without animation all of them show at once. */
export function drawTerminal(title: string, lines: readonly Line[]): string {
  const columns = Math.max(...lines.map(({ text }) => text.length))
  const width = Math.ceil(columns * CHAR_WIDTH + 2 * MARGIN)
  const height = BAR + lines.length * LINE_HEIGHT + MARGIN
  const times = showTimes(lines)
  const rows = lines.map(({ text }, i) => {
    const delay = (times[i] ?? 0) > 0 ? ` style="animation-duration:${times[i]}ms"` : ''
    return text === ''
      ? ''
      : `<text x="${MARGIN}" y="${BAR + (i + 1) * LINE_HEIGHT - 5}"${delay}>${paint(text)}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" role="img">
<title>${escapeXml(title)}</title>
<style>
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #d8dee9; white-space: pre; animation: wait 0s step-end }
.name { fill: #88c0d0 } .bad { fill: #ff8f8f; font-weight: bold } .prompt { fill: #a3be8c }
@keyframes wait { from, to { opacity: 0 } }
@media (prefers-reduced-motion: reduce) { text { animation: none } }
</style>
<rect width="${width}" height="${height}" rx="8" fill="#1d2129"/>
<circle cx="18" cy="15" r="5" fill="#4c566a"/><circle cx="36" cy="15" r="5" fill="#4c566a"/><circle cx="54" cy="15" r="5" fill="#4c566a"/>
${rows.filter(Boolean).join('\n')}
</svg>
`
}

/** The columns of the terminal. */
const COLUMNS = 80

/** A line as a terminal of 80 columns shows it; broken at a space, and indented to the column of its value. */
export function wrap(line: string): string[] {
  if (line.length <= COLUMNS) return [line]
  const [label = ''] = /^(?: *\S+ {2,}| +)?/.exec(line) ?? []
  const space = line.lastIndexOf(' ', COLUMNS)
  const at = space > label.length ? space : COLUMNS
  return [line.slice(0, at), ...wrap(' '.repeat(label.length) + line.slice(at).trimStart())]
}

/** When each line appears: at its time, with long pauses shortened. */
function showTimes(lines: readonly Line[]): number[] {
  let shown = 0
  return lines.map(({ atMs }, i) => {
    shown += Math.min(LONGEST_PAUSE_MS, Math.max(0, atMs - (lines[i - 1]?.atMs ?? 0)))
    return shown
  })
}

function paint(text: string): string {
  for (const [pattern, name] of COLOURS) {
    const match = pattern.exec(text)
    if (!match) continue
    const part = match[1] ?? match[0]
    const at = match.index + match[0].indexOf(part)
    const [before, after] = [text.slice(0, at), text.slice(at + part.length)]
    return `${escapeXml(before)}<tspan class="${name}">${escapeXml(part)}</tspan>${escapeXml(after)}`
  }
  return escapeXml(text)
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
