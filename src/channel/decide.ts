import type { Deployment } from '../config/deployment.ts'
import { localTime } from '../system/local-time.ts'
import { type Choices, ruleOf } from './choices.ts'
import { malformedTags, type Ref, type Release, releasesIn, targetOf } from './releases.ts'
import { firstSeen, type Sighting } from './sightings.ts'
import { nameOf, type Target } from './target.ts'

/** What the user can permit: a tag or branch that was rewritten, or an older version. */
export type Refusal = 'rewrite' | 'downgrade'

export interface Considered {
  readonly target: Target
  /** Why it is not taken; null: nothing excludes it. */
  readonly rule: string | null
  /** When the rule ends, ISO 8601; null: only the user ends it, or another version. */
  readonly until: string | null
}

export type Decision = {
  readonly reason: string
  /** The newest at the remote, newest first. */
  readonly considered: readonly Considered[]
  /** Tags that look like a version but do not parse as one: probably a mistake. */
  readonly malformed: readonly string[]
} & (
  | { readonly kind: 'update'; readonly target: Target }
  | { readonly kind: 'current' }
  /** There are newer ones, and a rule excludes each. */
  | { readonly kind: 'held'; readonly target: Target }
  | { readonly kind: 'refused'; readonly target: Target; readonly refusal: Refusal }
  /** The remote lacks what the channel follows, which is not the same as nothing new. */
  | { readonly kind: 'missing'; readonly hint: string }
)

export type ChannelConfig = Pick<
  Deployment,
  'channel' | 'branch' | 'pinned_minor' | 'prereleases' | 'min_age'
>

/** What this computer knows, beside the refs of the remote. */
export interface Known {
  readonly deployed: Target
  readonly seen: readonly Sighting[]
  readonly rolledBack?: readonly Target[]
  /** Whether the rollback from these has not ended. */
  readonly isRollingBack?: boolean
  readonly choices?: Choices
  /** The branch of the remote's HEAD, if the configured branch is missing. */
  readonly defaultBranch?: string | null
  /** Milliseconds since 1970. */
  readonly now: number
}

/** What this computer does about the refs of the remote. Pure. */
export function decide(channel: ChannelConfig, refs: readonly Ref[], known: Known): Decision {
  const decision =
    channel.channel === 'alpha' ? decideByBranch(channel, refs, known) : decideByRelease(channel, refs, known)
  return known.choices?.pin ? decidePinned(known.choices.pin, decision, known) : decision
}

/** Neither the channel, nor its age, nor a rollback holds back the version that the user pinned. */
function decidePinned(pin: Target, { considered, malformed }: Decision, { deployed }: Known): Decision {
  const isDeployed = pin.commit === deployed.commit
  const others = considered.filter(({ target }) => target.commit !== pin.commit)
  const own = { target: pin, rule: isDeployed ? DEPLOYED : null, until: null }
  const reason = `this computer is pinned to ${nameOf(pin)}${isDeployed ? ', which is deployed' : ''}`
  const explanation = { reason, considered: [own, ...others], malformed }
  return isDeployed ? { kind: 'current', ...explanation } : { kind: 'update', target: pin, ...explanation }
}

function decideByBranch(channel: ChannelConfig, refs: readonly Ref[], known: Known): Decision {
  const { branch } = channel
  const ref = `refs/heads/${branch}`
  const head = refs.find(({ name }) => name === ref)
  if (!head) return missingBranch(branch, known.defaultBranch ?? null)
  const judge = (commit: string): Considered => {
    if (commit === known.deployed.commit) return { target: known.deployed, rule: DEPLOYED, until: null }
    const target = { version: null, ref, commit }
    const back = known.rolledBack?.find((one) => one.commit === commit)
    return excludedByUser(target, known, back) ?? { target, ...tooYoung(channel, target, known) }
  }
  // An earlier head may be old enough while the newest is not.
  const earlier = channel.min_age > 0 ? known.seen.filter((seen) => seen.ref === ref).toReversed() : []
  const others = earlier.filter(({ commit }) => commit !== head.commit).map(({ commit }) => judge(commit))
  const newest = judge(head.commit)
  const explanation = { considered: [newest, ...others], malformed: [] }
  if (newest.rule === DEPLOYED)
    return { kind: 'current', reason: `the head of ${branch} is deployed`, ...explanation }
  return { ...choose(newest, explanation.considered, `${branch} has a new head`), ...explanation }
}

function missingBranch(branch: string, defaultBranch: string | null): Decision {
  const [end, hint] =
    defaultBranch === null
      ? ['', 'check deployment.remote and deployment.branch: git ls-remote --heads']
      : [`; its default branch is ${defaultBranch}`, `to follow it, set deployment.branch: ${defaultBranch}`]
  const reason = `the remote has no branch ${branch}${end}`
  return { kind: 'missing', reason, hint, considered: [], malformed: [] }
}

const DEPLOYED = 'is deployed'
const ROLLED_BACK = 'was rolled back; to deploy it again: telec-update --retry'
const ROLLING_BACK = 'is being rolled back'

/** Held, pinned elsewhere, or rolled back. */
function excludedByUser(
  target: Target,
  { choices, isRollingBack }: Known,
  back: Target | undefined,
): Considered | null {
  const rule = choices ? ruleOf(choices, target) : null
  if (rule !== null) return { target, rule, until: null }
  return back ? { target: back, rule: isRollingBack ? ROLLING_BACK : ROLLED_BACK, until: null } : null
}

type Choice = { readonly kind: 'update' | 'held'; readonly target: Target; readonly reason: string }

/** The first that no rule excludes. */
function choose(newest: Considered, considered: readonly Considered[], reason: string): Choice {
  const free = considered.find(({ rule }) => rule === null)
  if (free) return { kind: 'update', target: free.target, reason }
  return { kind: 'held', target: newest.target, reason: `${nameOf(newest.target)} ${newest.rule}` }
}

/** Whether this computer knows a target for less than `min_age`. A clock that was set back does not add to it. */
function tooYoung(
  { min_age }: ChannelConfig,
  { ref, commit }: Target,
  { seen, now }: Known,
): Pick<Considered, 'rule' | 'until'> {
  const sinceMs = Math.min(firstSeen(seen, ref, commit) ?? now, now)
  if (now - sinceMs >= min_age) return { rule: null, until: null }
  const until = new Date(sinceMs + min_age).toISOString()
  return { rule: `is younger than deployment.min_age until ${localTime(until)}`, until }
}

/** Releases that `considered` has at most. */
const EXPLAINED = 10
/** Releases newer than the deployed one that telec examines and records at most. */
const EXAMINED = 100

function decideByRelease(channel: ChannelConfig, refs: readonly Ref[], known: Known): Decision {
  const { deployed } = known
  const releases = releasesIn(refs)
  const explanation = {
    considered: releases.slice(0, EXPLAINED).map((release) => judge(channel, release, known)),
    malformed: malformedTags(refs).slice(0, EXPLAINED),
  }
  const fitting = releases.filter((release) => misfit(channel, release) === null)
  const [first] = fitting
  if (!first) {
    const reason = `no release fits ${describe(channel)}`
    if (!deployed.ref.startsWith('refs/tags/')) return { kind: 'current', reason, ...explanation }
    const was = `${reason}; the deployed ${nameOf(deployed)} is a release`
    return { kind: 'missing', reason: was, hint: CHECK_RELEASES, ...explanation }
  }
  if (first.commit === deployed.commit)
    return { kind: 'current', reason: `${first.version} is the newest release`, ...explanation }
  // A release that the user excludes causes no refusal, and does not lead to an older one.
  const isFree = (release: Release) => !known.choices || ruleOf(known.choices, release) === null
  const newest = fitting.find((release) => isFree(release) || release.commit === deployed.commit)
  const isExcluded = !newest || newest.commit === deployed.commit
  const refusal = isExcluded ? null : refusalOf(channel, newest, known)
  if (newest && refusal) return { kind: 'refused', target: targetOf(newest), ...refusal, ...explanation }
  const reason = `${newest?.version} is the newest release${newest === first ? '' : ' that is not held'}`
  const newer = isExcluded ? [] : newerReleases(channel, releases, deployed)
  const judged = newer.map((release) => judge(channel, release, known))
  return { ...choose(judge(channel, first, known), judged, reason), ...explanation }
}

const CHECK_RELEASES =
  'check the releases of the remote, and deployment.channel: telec watch --explain --dry-run; git ls-remote --tags'

/** The newest releases that the channel takes and that are newer than the deployed one. */
export function newerReleases(
  channel: ChannelConfig,
  releases: readonly Release[],
  deployed: Target,
): Release[] {
  return releases
    .filter((release) => misfit(channel, release) === null && isNewer(release, deployed))
    .slice(0, EXAMINED)
}

function isNewer({ parsed }: Release, deployed: Target): boolean {
  return deployed.version === null || parsed.compare(deployed.version) > 0
}

/** Why the newest release needs the user's permission. */
function refusalOf(
  channel: ChannelConfig,
  newest: Release,
  { deployed, seen }: Known,
): { reason: string; refusal: Refusal } | null {
  const { version, ref, commit, parsed } = newest
  const moved = movedFrom(newest, seen)
  if (moved !== null) return { refusal: 'rewrite', reason: `the tag of ${version} has moved ${moved}` }
  if (deployed.version === null || isNewer(newest, deployed)) return null
  if (parsed.compare(deployed.version) < 0) {
    const reason = `${version}, the newest release for ${describe(channel)}, is older than ${deployed.version}, which is deployed`
    return { refusal: 'downgrade', reason }
  }
  const reason =
    deployed.ref === ref
      ? `the tag of ${version} has moved ${fromTo(deployed.commit, commit)}`
      : `${version} is deployed already, from another commit (${deployed.commit.slice(0, 12)})`
  return { refusal: 'rewrite', reason }
}

/** How a tag moved since this computer first saw it; null: it did not. */
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
  const excluded = (rule: string) => ({ target, rule, until: null })
  if (release.commit === deployed.commit) return excluded(DEPLOYED)
  const unfit = misfit(channel, release)
  if (unfit !== null) return excluded(unfit)
  if (!isNewer(release, deployed)) return excluded(`is not newer than ${nameOf(deployed)}, which is deployed`)
  const byUser = excludedByUser(
    target,
    known,
    rolledBack.find(({ commit }) => commit === release.commit),
  )
  if (byUser) return byUser
  const back = rolledBack.find((one) => !isNewer(release, one))
  if (back) return excluded(`is not newer than ${nameOf(back)}, which was rolled back`)
  const moved = movedFrom(release, seen)
  if (moved !== null) return excluded(`has a tag that moved ${moved}`)
  return { target, ...tooYoung(channel, release, known) }
}

/** Why the channel does not take a release; null: it does. */
function misfit(
  { channel, pinned_minor, prereleases }: ChannelConfig,
  { parsed, prerelease }: Release,
): string | null {
  if (prerelease && !prereleases) return 'is a prerelease, and deployment.prereleases is false'
  const isPatch = channel !== 'stable' || `${parsed.major}.${parsed.minor}` === pinned_minor
  return isPatch ? null : `is no patch of ${pinned_minor} (deployment.pinned_minor)`
}

function describe({ channel, pinned_minor }: ChannelConfig): string {
  return channel === 'stable' ? `stable (${pinned_minor})` : channel
}
