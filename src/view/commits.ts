import type { Subjects } from '../git/checkout.ts'

/** A person wants to know what it is about; the rest is in `--json`. */
const SHOWN = 5

/** What came, or is to come, a line each. */
export function describeCommits(commits: Subjects | null): string[] {
  if (commits === null) return []
  const shown = commits.subjects.slice(0, SHOWN)
  const more = commits.subjects.length - shown.length + commits.more
  return [...shown, ...(more > 0 ? [`… and ${more} more`] : [])]
}
