import { TelecError } from '../system/errors.ts'
import { nameOf, type Target } from './target.ts'
import { normalVersion } from './versions.ts'

/** How a person names a target: by its version, or by its commit, of which the beginning is enough. */
export type Name = { readonly version: string } | { readonly commit: string }

/** What a name may be. */
export const NAME_OF_TARGET = 'a version such as 1.2.3, or a commit, of which 4 digits or more are enough'

/** Throws `usage` where it is neither. */
export function parseName(text: string): Name {
  if (/^[0-9a-f]{4,64}$/i.test(text)) return { commit: text.toLowerCase() }
  const version = text.includes('.') ? normalVersion(text) : null
  if (version !== null) return { version }
  throw new TelecError('usage', `${text} is neither a version nor a commit`, {
    hint: `name ${NAME_OF_TARGET}`,
  })
}

export function isCalled({ version, commit }: Pick<Target, 'version' | 'commit'>, name: Name): boolean {
  return 'version' in name ? version === name.version : commit.startsWith(name.commit)
}

/** The name by which a person finds it again. */
export function shortName({ version, commit }: Pick<Target, 'version' | 'commit'>): string {
  return version ?? commit.slice(0, 12)
}

/** Each commit once, where it stands first. */
export function distinct<One extends Target>(targets: readonly One[]): One[] {
  return [...new Map(targets.toReversed().map((one) => [one.commit, one])).values()].toReversed()
}

/** What a person said of versions; it goes before whatever the channel says. */
export interface Choices {
  /** The only one that is taken; null: what the channel offers is. */
  readonly pin: Target | null
  /** None of these is taken. */
  readonly held: readonly Target[]
}

export const NO_CHOICES: Choices = { pin: null, held: [] }

/** Why a person's choices keep a target from being taken, to follow its name; null: they do not. Pure. */
export function ruleOf({ pin, held }: Choices = NO_CHOICES, target: Target): string | null {
  if (pin?.commit === target.commit) return null
  if (pin) return `is not ${nameOf(pin)}, to which this computer is pinned: telec unpin`
  const isHeld = (one: Target) =>
    one.commit === target.commit || (one.version !== null && one.version === target.version)
  const found = held.find(isHeld)
  return found ? `is held by a person: telec unhold ${shortName(found)}` : null
}
