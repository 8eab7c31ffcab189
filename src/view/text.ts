import type { Subjects } from '../git/checkout.ts'

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
] as const

/** Milliseconds from now, the past negative: `3 min ago`, `in 40 s`. */
export function relative(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000)
  const [unit, size] = UNITS.find(([, least]) => seconds >= 2 * least) ?? ['s', 1]
  const amount = `${Math.round(seconds / size)} ${unit}`
  return ms < 0 ? `${amount} ago` : `in ${amount}`
}

/** When something happened: a time in the future is another computer's wrong clock. */
export function ago(time: string, nowMs: number): string {
  return relative(Math.min(Date.parse(time) - nowMs, -1))
}

/** Columns as wide as their widest cell; the first row has the headings. */
export function table(rows: readonly (readonly string[])[]): string {
  const [headings = []] = rows
  const widths = headings.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')
  return rows.map((cells) => `${line(cells).trimEnd()}\n`).join('')
}

/** A cell of a table: a long text of another computer must not push the others off the screen, nor end the line. */
export function cut(cell: string | null | undefined): string {
  const line = (cell ?? '-').replace(/\s+/g, ' ')
  return line.length > 40 ? `${line.slice(0, 39)}…` : line
}

/** `--json` has the rest. */
const SHOWN_COMMITS = 5

/** A line for each commit of an update. */
export function describeCommits(commits: Subjects | null): string[] {
  if (commits === null) return []
  const shown = commits.subjects.slice(0, SHOWN_COMMITS)
  const more = commits.subjects.length - shown.length + commits.more
  return [...shown, ...(more > 0 ? [`… and ${more} more`] : [])]
}
