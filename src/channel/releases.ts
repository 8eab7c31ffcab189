import type { SemVer } from 'semver'
import parse from 'semver/functions/parse'
import type { Target } from './target.ts'

/** A ref of the remote and its commit. */
export interface Ref {
  /** In full: `refs/heads/main`, `refs/tags/v1.2.0`. */
  readonly name: string
  readonly commit: string
  /** The forge marks it as a prerelease, although its version is none. */
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

/** The releases among the tags, newest first; of `v1.0.0` and `1.0.0` the one with the `v` comes first. */
export function releasesIn(refs: readonly Ref[]): Release[] {
  const releases = refs.flatMap(({ name, commit, prerelease = false }): Release[] => {
    const parsed = parse(TAG.exec(name)?.[1])
    if (!parsed) return []
    const isPrerelease = prerelease || parsed.prerelease.length > 0
    return [{ version: parsed.version, parsed, ref: name, commit, prerelease: isPrerelease }]
  })
  return releases.sort((a, b) => b.parsed.compare(a.parsed) || (a.ref < b.ref ? 1 : -1))
}

/** `v1.2.3`, `1.2.3`, and tags that look like them. */
const TAG = /^refs\/tags\/v?(\d+\.\d.*)$/

/** Tags that look like a version but do not parse as one. */
export function malformedTags(refs: readonly Ref[]): string[] {
  return refs.flatMap(({ name }) => {
    const tag = TAG.exec(name)?.[1]
    return tag === undefined || parse(tag) ? [] : [name.slice('refs/tags/'.length)]
  })
}
