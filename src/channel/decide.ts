import type { Config } from '../config/schema.ts'
import { localTime } from '../system/local-time.ts'
import { type Choices, ruleOf } from './choices.ts'
import { malformedTags, type Ref, type Release, releasesIn, targetOf } from './releases.ts'
import { firstSeen, type Sighting } from './sightings.ts'
import { nameOf, type Target } from './target.ts'

/** What a person can permit telec-update to do all the same: take what was rewritten, or go back. */
export type Refusal = 'rewrite' | 'downgrade'

/** What was offered, and the rule that held it; null: none did. */
export interface Considered {
  readonly target: Target
  readonly rule: string | null
  /** When the rule ends by itself, ISO 8601; null: it does not. */
  readonly until: string | null
}

export type Decision = {
  readonly reason: string
  /** The newest that were offered, newest first. */
  readonly considered: readonly Considered[]
  /** Tags that look like a version and are none, which somebody may have meant to be released. */
  readonly malformed: readonly string[]
} & (
  | { readonly kind: 'update'; readonly target: Target }
  | { readonly kind: 'current' }
  /** Newer ones are offered, and none of them old enough yet, or all rolled back from. */
  | { readonly kind: 'held'; readonly target: Target }
  | { readonly kind: 'refused'; readonly target: Target; readonly refusal: Refusal }
  /** The remote has nothing of what the channel follows: that is not the same as nothing new. */
  | { readonly kind: 'missing'; readonly hint: string }
)

export type ChannelConfig = Pick<
  Config['deployment'],
  'channel' | 'branch' | 'pinned_minor' | 'prereleases' | 'min_age'
>

/** What telec knows beside what is offered. */
export interface Known {
  readonly deployed: Target
  /** When it first saw which commit behind a name. */
  readonly seen: readonly Sighting[]
  /** From what a person went back. */
  readonly rolledBack?: readonly Target[]
  /** What a person said of versions. */
  readonly choices?: Choices
  /** The branch that the remote's HEAD names, asked for where the configured one is missing. */
  readonly defaultBranch?: string | null
  /** Milliseconds since 1970. */
  readonly now: number
}

/** What this computer should do about what the remote offers. Pure: the same inputs, the same decision. */
export function decide(channel: ChannelConfig, offers: readonly Ref[], known: Known): Decision {
  const decide = channel.channel === 'alpha' ? decideByBranch : decideByRelease
  const decision = decide(channel, offers, known)
  return known.choices?.pin ? decidePinned(known.choices.pin, decision, known) : decision
}

/** A person's word: no age, and nothing that the channel or a rollback says, holds it. */
function decidePinned(pin: Target, { considered, malformed }: Decision, { deployed }: Known): Decision {
  const isThere = pin.commit === deployed.commit
  const others = considered.filter(({ target }) => target.commit !== pin.commit)
  const own = { target: pin, rule: isThere ? 'is deployed' : null, until: null }
  const reason = `this computer is pinned to ${nameOf(pin)}${isThere ? ', which is deployed' : ''}`
  const explanation = { reason, considered: [own, ...others], malformed }
  return isThere ? { kind: 'current', ...explanation } : { kind: 'update', target: pin, ...explanation }
}

function decideByBranch(channel: ChannelConfig, offers: readonly Ref[], known: Known): Decision {
  const { branch } = channel
  const { deployed } = known
  const ref = `refs/heads/${branch}`
  const head = offers.find(({ name }) => name === ref)
  if (!head) return missingBranch(branch, known.defaultBranch ?? null)
  // A head that another one has followed may be old enough where the newest is not.
  const followed = channel.min_age > 0 ? known.seen.filter((seen) => seen.ref === ref).toReversed() : []
  const heads = [head.commit, ...followed.map(({ commit }) => commit)]
  const considered = [...new Set(heads)].map((commit): Considered => {
    const target = { version: null, ref, commit }
    if (commit === deployed.commit) return { target: deployed, rule: 'is deployed', until: null }
    const chosen = ruleOf(known.choices, target)
    if (chosen !== null) return { target, rule: chosen, until: null }
    const back = known.rolledBack?.find((one) => one.commit === commit)
    if (back) return { target: back, rule: ROLLED_BACK, until: null }
    return { target, ...tooYoung(channel, target, known) }
  })
  if (head.commit === deployed.commit)
    return { kind: 'current', reason: `${branch} is what is deployed`, considered, malformed: [] }
  return { ...choose(considered, `${branch} has moved on`), considered, malformed: [] }
}

function missingBranch(branch: string, other: string | null): Decision {
  const reason = `the remote has no branch ${branch}`
  const [what, hint] =
    other === null
      ? [
          ' and names no other',
          'is it the right remote, and is it the one that answers? git ls-remote --heads',
        ]
      : [`; its default branch is ${other}`, `to follow that one, set deployment.branch: ${other}`]
  return { kind: 'missing', reason: `${reason}${what}`, hint, considered: [], malformed: [] }
}

const ROLLED_BACK =
  'was rolled back from, and waits for another target to follow it; to take it again: telec-update --retry'

type Choice =
  | { readonly kind: 'update' | 'held'; readonly target: Target; readonly reason: string }
  | { readonly kind: 'current'; readonly reason: string }

/** The newest that no rule holds. */
function choose(considered: readonly Considered[], reason: string): Choice {
  const free = considered.find(({ rule }) => rule === null)
  if (free) return { kind: 'update', target: free.target, reason }
  const [newest] = considered
  if (!newest) return { kind: 'current', reason: 'nothing is offered' }
  return { kind: 'held', target: newest.target, reason: `${nameOf(newest.target)} ${newest.rule}` }
}

/** `min_age`: how long this computer has to have known of a target. A clock that was turned back does not add to it. */
function tooYoung(
  { min_age }: ChannelConfig,
  { ref, commit }: Target,
  { seen, now }: Known,
): Pick<Considered, 'rule' | 'until'> {
  const sinceMs = Math.min(firstSeen(seen, ref, commit) ?? now, now)
  if (now - sinceMs >= min_age) return { rule: null, until: null }
  const until = new Date(sinceMs + min_age).toISOString()
  return { rule: `is younger than deployment.min_age: it is taken from ${localTime(until)}`, until }
}

/** So many of the newest are explained. */
const EXPLAINED = 10
/** So many of those newer than what is deployed are looked at, and remembered. */
const LOOKED_AT = 100

function decideByRelease(channel: ChannelConfig, offers: readonly Ref[], known: Known): Decision {
  const { deployed } = known
  const releases = releasesIn(offers)
  const explanation = {
    considered: releases.slice(0, EXPLAINED).map((release) => judge(channel, release, known)),
    malformed: malformedTags(offers).slice(0, EXPLAINED),
  }
  const fitting = releases.filter((release) => misfit(channel, release) === null)
  const [first] = fitting
  if (!first) {
    const reason = `no release fits ${describe(channel)}`
    if (!deployed.ref.startsWith('refs/tags/')) return { kind: 'current', reason, ...explanation }
    return {
      kind: 'missing',
      reason: `${reason}, and ${nameOf(deployed)} was one`,
      hint: LOOK,
      ...explanation,
    }
  }
  if (first.commit === deployed.commit)
    return { kind: 'current', reason: `${first.version} is the newest release`, ...explanation }
  const isFree = (release: Release) => ruleOf(known.choices, targetOf(release)) === null
  const newest = fitting.find((release) => isFree(release) || release.commit === deployed.commit)
  // What a person holds speaks for nothing else: neither for a refusal nor for anything older.
  if (!newest || newest.commit === deployed.commit) {
    const above = newest ? fitting.slice(0, fitting.indexOf(newest)) : fitting
    return {
      ...choose(
        above.map((release) => judge(channel, release, known)),
        '',
      ),
      ...explanation,
    }
  }
  const reason = `${newest.version} is the newest release${newest === first ? '' : ' that nobody holds'}`
  const refusal = refusalOf(channel, newest, known)
  if (refusal) return { kind: 'refused', target: targetOf(newest), ...refusal, ...explanation }
  const newer = newerReleases(channel, releases, deployed).map((release) => judge(channel, release, known))
  return { ...choose(newer, reason), ...explanation }
}

const LOOK = 'look at its releases, and at the channel: telec watch --explain --dry-run; git ls-remote --tags'

/** The newest releases that the channel takes and that are newer than what is deployed. */
export function newerReleases(
  channel: ChannelConfig,
  releases: readonly Release[],
  deployed: Target,
): Release[] {
  return releases
    .filter((release) => misfit(channel, release) === null && isNewer(release, deployed))
    .slice(0, LOOKED_AT)
}

function isNewer({ parsed }: Release, deployed: Target): boolean {
  return deployed.version === null || parsed.compare(deployed.version) > 0
}

/** Why a release is not taken, if it is the newest; each says so that a person understands. */
function refusalOf(
  channel: ChannelConfig,
  newest: Release,
  { deployed, seen }: Known,
): { reason: string; refusal: Refusal } | null {
  const moved = movedFrom(newest, seen)
  if (moved !== null) return { refusal: 'rewrite', reason: `the tag of ${newest.version} has moved ${moved}` }
  if (isNewer(newest, deployed) || deployed.version === null) return null
  if (newest.parsed.compare(deployed.version) < 0)
    return {
      refusal: 'downgrade',
      reason: `${newest.version}, the newest release for ${describe(channel)}, is older than ${deployed.version}, which is deployed`,
    }
  return {
    refusal: 'rewrite',
    reason:
      deployed.ref === newest.ref
        ? `the tag of ${newest.version} has moved ${fromTo(deployed.commit, newest.commit)}`
        : `${newest.version} is deployed already, from another commit (${deployed.commit.slice(0, 12)})`,
  }
}

/** A tag that this computer knows at another commit. */
function movedFrom({ ref, commit }: Target, seen: readonly Sighting[]): string | null {
  const known = seen.find((one) => one.ref === ref)
  return known && known.commit !== commit ? fromTo(known.commit, commit) : null
}

function fromTo(from: string, to: string): string {
  return `from ${from.slice(0, 12)} to ${to.slice(0, 12)}`
}

function judge(channel: ChannelConfig, release: Release, known: Known): Considered {
  const { deployed, seen, rolledBack = [] } = known
  const target = targetOf(release)
  const held = (rule: string) => ({ target, rule, until: null })
  if (release.commit === deployed.commit) return held('is deployed')
  const unfit = misfit(channel, release)
  if (unfit !== null) return held(unfit)
  if (!isNewer(release, deployed)) return held(`is not newer than ${nameOf(deployed)}, which is deployed`)
  const chosen = ruleOf(known.choices, target)
  if (chosen !== null) return held(chosen)
  if (rolledBack.some(({ commit }) => commit === release.commit)) return held(ROLLED_BACK)
  const newer = rolledBack.find((one) => !isNewer(release, one))
  if (newer) return held(`is not newer than ${nameOf(newer)}, which was rolled back from`)
  const moved = movedFrom(release, seen)
  if (moved !== null) return held(`has a tag that moved ${moved}`)
  return { target, ...tooYoung(channel, release, known) }
}

/** Why the channel does not take a release; null: it does. */
function misfit(
  { channel, pinned_minor, prereleases }: ChannelConfig,
  { parsed, prerelease }: Release,
): string | null {
  if (prerelease && !prereleases) return 'is a prerelease, and deployment.prereleases is false'
  const isPatch = channel !== 'stable' || `${parsed.major}.${parsed.minor}` === pinned_minor
  return isPatch ? null : `is no patch of ${pinned_minor}, which deployment.pinned_minor says`
}

function describe({ channel, pinned_minor }: ChannelConfig): string {
  return channel === 'stable' ? `stable (${pinned_minor})` : channel
}
