import type { SemVer } from 'semver'
import parse from 'semver/functions/parse'
import type { Target } from './target.ts'

/** A name of the remote and the commit behind it. */
export interface Ref {
  /** In full: `refs/heads/main`, `refs/tags/v1.2.0`. */
  readonly name: string
  readonly commit: string
  /** It was published as a prerelease, whatever its version says. */
  readonly prerelease?: boolean
}

export interface Release extends Target {
  readonly version: string
  readonly parsed: SemVer
  readonly prerelease: boolean
}

export function targetOf({ version, ref, commit }: Release): Target {
  return { version, ref, commit }
}

/** The releases among the tags, newest first by semver; ties (`v1.0.0` and `1.0.0`) go to the `v`. */
export function releasesIn(offers: readonly Ref[]): Release[] {
  return offers
    .flatMap((ref) => release(ref))
    .sort((a, b) => b.parsed.compare(a.parsed) || (a.ref < b.ref ? 1 : -1))
}

function release({ name, commit, prerelease = false }: Ref): Release[] {
  const [, tag] = TAG.exec(name) ?? []
  const parsed = tag === undefined ? null : parse(tag)
  if (!parsed) return []
  const isPrerelease = prerelease || parsed.prerelease.length > 0
  return [{ version: parsed.version, parsed, ref: name, commit, prerelease: isPrerelease }]
}

/** `v1.2.3` and `1.2.3`, and what looks like one of them. */
const TAG = /^refs\/tags\/v?(\d+\.\d.*)$/

/** Tags that look like a version and are none. */
export function malformedTags(offers: readonly Ref[]): string[] {
  return offers.flatMap(({ name }) => {
    const [, tag] = TAG.exec(name) ?? []
    return tag === undefined || parse(tag) ? [] : [name.slice('refs/tags/'.length)]
  })
}
