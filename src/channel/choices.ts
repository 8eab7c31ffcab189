import { TelecError } from '../system/errors.ts'
import { nameOf, type Target } from './target.ts'
import { normalVersion } from './versions.ts'

/** How a user names a target: by its version, or by the first digits of its commit. */
export type Name = { readonly version: string } | { readonly commit: string }

export const NAME_OF_TARGET = 'a version such as 1.2.3, or at least 4 digits of a commit'

/** Throws `usage` where the text is neither. */
export function parseName(text: string): Name {
  if (/^[0-9a-f]{4,64}$/i.test(text)) return { commit: text.toLowerCase() }
  const version = text.includes('.') ? normalVersion(text) : null
  if (version !== null) return { version }
  throw new TelecError('usage', `${text} is neither a version nor a commit`, {
    hint: `give ${NAME_OF_TARGET}`,
  })
}

export function isCalled({ version, commit }: Pick<Target, 'version' | 'commit'>, name: Name): boolean {
  return 'version' in name ? version === name.version : commit.startsWith(name.commit)
}

/** The name to give on a command line. */
export function shortName({ version, commit }: Pick<Target, 'version' | 'commit'>): string {
  return version ?? commit.slice(0, 12)
}

/** One target of each commit: the value of its first, at the place of its last, by whose order a rollback goes. */
export function distinct<One extends Target>(targets: readonly One[]): One[] {
  return [...new Map(targets.toReversed().map((one) => [one.commit, one])).values()].toReversed()
}

/** What the user chose. The channel has no say against it. */
export interface Choices {
  /** The only target that is taken. Null: the channel decides. */
  readonly pin: Target | null
  /** None of these is taken. */
  readonly held: readonly Target[]
}

/** Why the user's choices exclude a target: the end of a sentence that begins with its name. Null: they do not. */
export function ruleOf({ pin, held }: Choices, target: Target): string | null {
  if (pin?.commit === target.commit) return null
  if (pin) return `is not ${nameOf(pin)}, the pinned version: telec unpin`
  const found = held.find(
    ({ version, commit }) => commit === target.commit || (version !== null && version === target.version),
  )
  return found ? `is held: telec unhold ${shortName(found)}` : null
}
