import parse from 'semver/functions/parse'
import * as v from 'valibot'

export const CommitSchema = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{40,64}$/, 'a commit is 40 or 64 hex digits'),
)

export const VersionSchema = v.pipe(
  v.string(),
  v.check((text) => parse(text) !== null, 'a version looks like 1.2.3 (semver.org)'),
)

export const TargetSchema = v.object({
  version: v.nullable(VersionSchema),
  /** In full: `refs/heads/main`, `refs/tags/v1.2.0`; `HEAD` for a checkout that was on no branch at first. */
  ref: v.pipe(v.string(), v.regex(/^(HEAD|refs\/[^\s~^:?*[\\]+)$/, 'a ref is HEAD or refs/…')),
  commit: CommitSchema,
})

/** On alpha the version is null until the commit is fetched. */
export type Target = v.InferOutput<typeof TargetSchema>

/** A target in messages: `1.2.0 (0123456789ab)`, or the commit alone. */
export function nameOf({ version, commit }: Pick<Target, 'version' | 'commit'>): string {
  const short = commit.slice(0, 12)
  return version === null ? short : `${version} (${short})`
}
