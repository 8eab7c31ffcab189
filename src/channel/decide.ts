import compare from 'semver/functions/compare'
import parse from 'semver/functions/parse'
import type { Config } from '../config/schema.ts'
import type { Target } from './target.ts'
import { normalVersion } from './versions.ts'

/** A name of the remote and the commit behind it. */
export interface Ref {
  /** In full: `refs/heads/main`, `refs/tags/v1.2.0`. */
  readonly name: string
  readonly commit: string
}

export type Decision =
  | { readonly kind: 'update'; readonly target: Target; readonly reason: string }
  | { readonly kind: 'current'; readonly reason: string }
  | { readonly kind: 'refused'; readonly target: Target; readonly reason: string }

export type ChannelConfig = Pick<Config['deployment'], 'channel' | 'branch' | 'pinned_minor' | 'prereleases'>

/** What this computer should do about what the remote offers. Pure: the same inputs, the same decision. */
export function decide(channel: ChannelConfig, offers: readonly Ref[], deployed: Target): Decision {
  return channel.channel === 'alpha'
    ? decideByBranch(channel.branch, offers, deployed)
    : decideByRelease(channel, offers, deployed)
}

function decideByBranch(branch: string, offers: readonly Ref[], deployed: Target): Decision {
  const ref = `refs/heads/${branch}`
  const head = offers.find(({ name }) => name === ref)
  if (!head) return { kind: 'current', reason: `the remote has no branch ${branch}` }
  if (head.commit === deployed.commit) return { kind: 'current', reason: `${branch} is what is deployed` }
  return {
    kind: 'update',
    target: { version: null, ref, commit: head.commit },
    reason: `${branch} has moved on`,
  }
}

function decideByRelease(channel: ChannelConfig, offers: readonly Ref[], deployed: Target): Decision {
  const newest = newestRelease(channel, offers)
  if (!newest) return { kind: 'current', reason: `no release fits ${describe(channel)}` }
  const current: Decision = { kind: 'current', reason: `${newest.version} is the newest release` }
  if (newest.commit === deployed.commit) return current
  if (deployed.version === null) return { kind: 'update', target: newest, reason: current.reason }
  const order = compare(newest.version, deployed.version)
  if (order > 0) return { kind: 'update', target: newest, reason: current.reason }
  if (order < 0)
    return {
      kind: 'refused',
      target: newest,
      reason: `${newest.version}, the newest release for ${describe(channel)}, is older than ${deployed.version}, which is deployed`,
    }
  return {
    kind: 'refused',
    target: newest,
    reason:
      deployed.ref === newest.ref
        ? `the tag of ${newest.version} has moved from ${deployed.commit.slice(0, 12)} to ${newest.commit.slice(0, 12)}`
        : `${newest.version} is deployed already, from another commit (${deployed.commit.slice(0, 12)})`,
  }
}

type Release = Target & { readonly version: string }

/** The newest release that the channel takes, by semver; ties (`v1.0.0` and `1.0.0`) go to the `v`. */
function newestRelease(channel: ChannelConfig, offers: readonly Ref[]): Release | undefined {
  return offers
    .flatMap((ref) => release(ref))
    .filter(({ version }) => takes(channel, version))
    .sort((a, b) => compare(b.version, a.version) || (a.ref < b.ref ? 1 : -1))[0]
}

function release({ name, commit }: Ref): Release[] {
  const [, tag] = /^refs\/tags\/(v?\d+\.\d+\.\d+\S*)$/.exec(name) ?? []
  const version = tag ? normalVersion(tag) : null
  return version ? [{ version, ref: name, commit }] : []
}

function takes({ channel, pinned_minor, prereleases }: ChannelConfig, version: string): boolean {
  const parsed = parse(version)
  if (!parsed || (parsed.prerelease.length > 0 && !prereleases)) return false
  return channel !== 'stable' || `${parsed.major}.${parsed.minor}` === pinned_minor
}

function describe({ channel, pinned_minor }: ChannelConfig): string {
  return channel === 'stable' ? `stable (${pinned_minor})` : channel
}
