import * as v from 'valibot'
import { TimeSchema } from '../system/schemas.ts'
import { CommitSchema } from './target.ts'

export const SightingSchema = v.object({
  /** In full: `refs/heads/main`, `refs/tags/v1.2.0`. */
  ref: v.string(),
  commit: CommitSchema,
  /** When this computer first saw the ref at that commit, ISO 8601. */
  at: TimeSchema,
})

/** telec records the first commit of a tag, and each head of a branch. */
export type Sighting = v.InferOutput<typeof SightingSchema>

/** The oldest are forgotten first. */
const MOST_SIGHTINGS = 500

/** When this computer first saw a ref at a commit, in milliseconds since 1970; null: never. */
export function firstSeen(seen: readonly Sighting[], ref: string, commit: string): number | null {
  const found = seen.find((one) => one.ref === ref && one.commit === commit)
  return found ? Date.parse(found.at) : null
}

/**
 * Adds the commits that a poll found. A tag that moved keeps its first commit; heads up to the deployed one are forgotten.
 * A time in the future, from a clock that was set back, becomes now: else `min_age` would wait for it.
 */
export function remember(
  seen: readonly Sighting[],
  found: readonly { readonly ref: string; readonly commit: string }[],
  deployed: string,
  at: string,
): Sighting[] {
  const isBranch = (ref: string) => ref.startsWith('refs/heads/')
  const deployedAt = seen.findIndex(({ ref, commit }) => isBranch(ref) && commit === deployed)
  const kept = seen
    .filter(({ ref }, index) => !isBranch(ref) || index > deployedAt)
    .map((one) => (Date.parse(one.at) > Date.parse(at) ? { ...one, at } : one))
  const added = found
    .filter(({ ref, commit }) => {
      const isKnown = kept.some((one) => one.ref === ref && (one.commit === commit || !isBranch(ref)))
      return commit !== deployed && !isKnown
    })
    .map(({ ref, commit }) => ({ ref, commit, at }))
  return [...kept, ...added].slice(-MOST_SIGHTINGS)
}
