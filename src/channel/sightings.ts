import * as v from 'valibot'
import { TimeSchema } from '../system/schemas.ts'
import { CommitSchema } from './target.ts'

export const SightingSchema = v.object({
  /** In full: `refs/heads/main`, `refs/tags/v1.2.0`. */
  ref: v.string(),
  commit: CommitSchema,
  /** When this computer first saw that commit there, ISO 8601. */
  at: TimeSchema,
})

/** What a computer remembers of what was offered: of a tag the first commit only, of a branch each head in turn. */
export type Sighting = v.InferOutput<typeof SightingSchema>

/** Of so many it is remembered; of those seen longest ago it is forgotten first. */
const REMEMBERED = 500

/** When it first saw a commit behind a name, in milliseconds since 1970; null: it never did. */
export function firstSeen(seen: readonly Sighting[], ref: string, commit: string): number | null {
  const found = seen.find((one) => one.ref === ref && one.commit === commit)
  return found ? Date.parse(found.at) : null
}

/**
 * What is to be remembered once these were offered. A name without a commit of its own yet is added; of a tag that
 * moved the first commit stays. Heads up to the deployed one have had their time. What was seen in what is now the
 * future, by a clock that was turned back since, is seen now: else it would be too young until then. Pure.
 */
export function remember(
  seen: readonly Sighting[],
  offered: readonly { readonly ref: string; readonly commit: string }[],
  deployed: string,
  at: string,
): Sighting[] {
  const passed = seen.findIndex(({ ref, commit }) => ref.startsWith('refs/heads/') && commit === deployed)
  const kept = seen
    .filter(({ ref }, index) => !ref.startsWith('refs/heads/') || index > passed)
    .map((one) => (Date.parse(one.at) > Date.parse(at) ? { ...one, at } : one))
  const isKnown = ({ ref, commit }: { ref: string; commit: string }) =>
    kept.some((one) => one.ref === ref && (one.commit === commit || ref.startsWith('refs/tags/')))
  const added = offered
    .filter((one) => one.commit !== deployed && !isKnown(one))
    .map(({ ref, commit }) => ({ ref, commit, at }))
  return [...kept, ...added].slice(-REMEMBERED)
}
