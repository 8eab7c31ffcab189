import { lt, lte, parse } from 'semver'

// The rules of a release: pure functions of a repository's commits, files and change log.

export interface Commit {
  readonly id: string
  /** The whole message. */
  readonly message: string
}

export type Bump = 'patch' | 'minor' | 'major'

/** The trailer of a release's commit with the reason why a breaking change needs no migration. */
export const WAIVER = 'No-Migration'

/** The commits that conventionalcommits.org (1.0.0, points 11 to 16) calls breaking. */
export function breakingCommits(commits: readonly Commit[]): Commit[] {
  return commits.filter(
    ({ message }) => /^[a-z]+(\([^()\n]+\))?!: \S/i.test(message) || /^BREAKING[ -]CHANGE: \S/m.test(message),
  )
}

/** Whether a bump tells users that something breaks: semver.org, point 8, and point 4 for versions below 1.0.0. */
export function announcesBreaking(previous: string, bump: Bump): boolean {
  return bump === 'major' || (bump === 'minor' && parse(previous)?.major === 0)
}

/** Those of `added` (paths) that are migrations which a computer at `previous` runs on its way to `next`. */
export function migrationsBetween(added: readonly string[], previous: string, next: string): string[] {
  return added.filter((path) => {
    const [, version] = /^migrations\/v([^/]+)\/\d+_[^/]+$/.exec(path) ?? []
    return version !== undefined && parse(version) !== null && lt(previous, version) && lte(version, next)
  })
}

/** The fields of package.json whose address is missing or one of RFC 2606's, which nobody can have: `.invalid`. */
export function placeholdersIn(packageJson: string): string[] {
  const fields = JSON.parse(packageJson) as Readonly<Record<string, unknown>>
  return ['repository', 'homepage', 'bugs'].filter((name) => {
    const field = fields[name]
    const url = typeof field === 'object' ? (field as { url?: unknown } | null)?.url : field
    return typeof url !== 'string' || url === '' || /\.invalid\b/i.test(url)
  })
}

/** The change log with the unreleased part under this version; null where that is empty. */
export function releaseChangelog(text: string, version: string, date: string): string | null {
  const unreleased = sectionOf(text, 'Unreleased')
  if (!unreleased) return null
  return text.replace('## [Unreleased]\n', `## [Unreleased]\n\n## [${version}] - ${date}\n`)
}

/** The section of a version in the change log, without its heading; null where it is missing. */
export function sectionOf(text: string, version: string): string | null {
  const sections = text.split(/^(?=## )/m)
  const section = sections.find((one) => one.startsWith(`## [${version}]`))
  return section?.replace(/^.*\n/, '').trim() ?? null
}
