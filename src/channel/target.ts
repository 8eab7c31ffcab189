import parse from 'semver/functions/parse'
import * as v from 'valibot'

export const CommitSchema = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{40,64}$/, 'a commit is 40 or 64 hex digits'),
)

/** As semver writes it. */
export const VersionSchema = v.pipe(
  v.string(),
  v.check((text) => parse(text) !== null, 'a version is such as 1.2.3 (semver.org)'),
)

export const TargetSchema = v.object({
  version: v.nullable(VersionSchema),
  /** In full: `refs/heads/main`, `refs/tags/v1.2.0`; `HEAD` for a checkout that was adopted off any branch. */
  ref: v.pipe(v.string(), v.regex(/^(HEAD|refs\/[^\s~^:?*[\\]+)$/, 'a ref is HEAD or refs/…')),
  commit: CommitSchema,
})

/** What a computer should run, or runs. On alpha the version is null until the commit has been fetched. */
export type Target = v.InferOutput<typeof TargetSchema>

/** A target for people: `1.2.0 (0123456789ab)`, or the commit alone. */
export function nameOf({ version, commit }: Pick<Target, 'version' | 'commit'>): string {
  const short = commit.slice(0, 12)
  return version === null ? short : `${version} (${short})`
}
