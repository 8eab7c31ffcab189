import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ChannelConfig, type Decision, decide } from '../../src/channel/decide.ts'
import type { Ref } from '../../src/channel/releases.ts'
import type { Target } from '../../src/channel/target.ts'
import { commit } from '../helpers/commits.ts'

/** For any tags of a remote: a second, slow implementation by the letter of semver.org. */

const BETA: ChannelConfig = {
  channel: 'beta',
  branch: 'main',
  pinned_minor: undefined,
  prereleases: false,
  min_age: 0,
}
const STABLE: ChannelConfig = { ...BETA, channel: 'stable', pinned_minor: '1.2' }

interface Naive {
  readonly ref: string
  readonly commit: string
  readonly numbers: readonly number[]
  readonly identifiers: readonly string[]
  readonly isPrerelease: boolean
}

const NUMBER = '(?:0|[1-9]\\d{0,14})'
const IDENTIFIER = '(?:0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*)'
const RELEASE = new RegExp(
  `^refs/tags/v?(${NUMBER})\\.(${NUMBER})\\.(${NUMBER})(?:-(${IDENTIFIER}(?:\\.${IDENTIFIER})*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
)

function read({ name, commit, prerelease }: Ref): Naive | null {
  const match = RELEASE.exec(name)
  if (!match) return null
  const identifiers = match[4]?.split('.') ?? []
  return {
    ref: name,
    commit,
    numbers: [Number(match[1]), Number(match[2]), Number(match[3])],
    identifiers,
    isPrerelease: identifiers.length > 0 || prerelease === true,
  }
}

/** semver.org, 11: positive where `a` is newer. */
function compare(a: Naive, b: Naive): number {
  for (let at = 0; at < 3; at += 1) {
    const difference = (a.numbers[at] ?? 0) - (b.numbers[at] ?? 0)
    if (difference !== 0) return difference
  }
  if (a.identifiers.length === 0 || b.identifiers.length === 0)
    return Number(a.identifiers.length === 0) - Number(b.identifiers.length === 0)
  for (let at = 0; ; at += 1) {
    const [left, right] = [a.identifiers[at], b.identifiers[at]]
    if (left === undefined || right === undefined)
      return Number(left !== undefined) - Number(right !== undefined)
    if (left === right) continue
    const [isLeftNumber, isRightNumber] = [/^\d+$/.test(left), /^\d+$/.test(right)]
    if (isLeftNumber && isRightNumber) return Number(left) - Number(right)
    if (isLeftNumber !== isRightNumber) return isLeftNumber ? -1 : 1
    return left < right ? -1 : 1
  }
}

function naive(channel: ChannelConfig, offers: readonly Ref[], deployed: Target): Partial<Decision> {
  let newest: Naive | null = null
  for (const one of offers.map(read)) {
    if (one === null || (one.isPrerelease && !channel.prereleases)) continue
    if (channel.channel === 'stable' && one.numbers.slice(0, 2).join('.') !== channel.pinned_minor) continue
    const order = newest === null ? 1 : compare(one, newest)
    if (newest === null || order > 0 || (order === 0 && one.ref > newest.ref)) newest = one
  }
  if (newest === null) return { kind: deployed.ref.startsWith('refs/tags/') ? 'missing' : 'current' }
  if (newest.commit === deployed.commit) return { kind: 'current' }
  const target = { ref: newest.ref, commit: newest.commit } as Target
  const here = read({ name: `refs/tags/v${deployed.version}`, commit: deployed.commit })
  const order = here === null ? 1 : compare(newest, here)
  if (order > 0) return { kind: 'update', target }
  return { kind: 'refused', refusal: order < 0 ? 'downgrade' : 'rewrite', target }
}

const number = fc.oneof(fc.nat({ max: 3 }), fc.constantFrom(9, 10, 11, 19, 20))
const identifier = fc.oneof(fc.nat({ max: 12 }).map(String), fc.constantFrom('rc', 'alpha', 'x-1', '0a', '-'))
const dotted = (prefix: string) =>
  fc.array(identifier, { maxLength: 3 }).map((list) => (list.length === 0 ? '' : prefix + list.join('.')))
const version = fc
  .tuple(fc.nat({ max: 2 }), number, number, dotted('-'))
  .map(([major, minor, patch, prerelease]) => `${major}.${minor}.${patch}${prerelease}`)
const release = fc
  .tuple(fc.constantFrom('', 'v'), version, dotted('+'))
  .map(([prefix, text, build]) => `refs/tags/${prefix}${text}${build}`)
/** Tags that look like a version and are none. */
const malformed = fc.constantFrom(
  ...['v1.2', '1.2', 'v1.2.3.4', '1.02.3', 'v01.2.3', 'v1.2.3rc1', '1.2.3-', 'v1.2.3-01', '1.2.3+', 'v1.2.x'],
  ...['v1.2.3-rc..1', 'v1.2.3/hotfix', '2026.01.15', 'v1.2.99999999999999999999', 'v1.2.3-ü'],
)
const ignored = fc.constantFrom(
  ...['refs/tags/v1', 'refs/tags/nightly', 'refs/tags/web-1.2.9', 'refs/tags/vv1.2.9', 'refs/tags/V1.2.9'],
  ...['refs/heads/v1.2.9', 'refs/heads/1.2.9', 'refs/notes/v1.2.9', 'refs/tags/x/v1.2.9', 'refs/tags/-1.2.9'],
)
const name = fc.oneof(
  { weight: 6, arbitrary: release },
  malformed.map((tag) => `refs/tags/${tag}`),
  ignored,
)
/** Few commits, so that tags share them; some published on GitHub as prereleases. */
const offers = fc.uniqueArray(
  fc.record(
    { name, commit: fc.nat({ max: 40 }).map(commit), prerelease: fc.boolean() },
    { requiredKeys: ['name', 'commit'] },
  ),
  { selector: ({ name }) => name, maxLength: 40 },
)
const channel = fc.record({ prereleases: fc.boolean(), pin: fc.option(fc.tuple(fc.nat({ max: 2 }), number)) })
const deployed = fc.record({
  version: fc.option(version),
  ref: fc.constantFrom('refs/heads/main', 'refs/tags/v1.2.3'),
  commit: fc.nat({ max: 40 }).map(commit),
})

const known = (target: Target) => ({ deployed: target, seen: [], now: Date.UTC(2026, 0, 2) })

describe('with any tags,', () => {
  test('the decision is that of a naive implementation, and does not depend on their order', () => {
    fc.assert(
      fc.property(offers, channel, deployed, (offered, { prereleases, pin }, target) => {
        const config: ChannelConfig = pin
          ? { ...STABLE, pinned_minor: pin.join('.'), prereleases }
          : { ...BETA, prereleases }
        const decision = decide(config, offered, known(target))
        expect(decision).toMatchObject(naive(config, offered, target))
        expect(decide(config, offered.toReversed(), known(target))).toEqual({
          ...decision,
          malformed: expect.anything(),
        })
      }),
      { numRuns: 2_000 },
    )
  })

  test('those that look like a version and are none are reported, and no others', () => {
    fc.assert(
      fc.property(offers, deployed, (offered, target) => {
        const wrong = offered.filter((ref) => /^refs\/tags\/v?\d+\.\d/.test(ref.name) && read(ref) === null)
        expect(decide(BETA, offered, known(target)).malformed).toEqual(
          wrong.map((ref) => ref.name.replace('refs/tags/', '')).slice(0, 10),
        )
      }),
    )
  })
})

describe('1.0.0 and v1.0.0 at different commits:', () => {
  const both: Ref[] = [
    { name: 'refs/tags/1.0.0', commit: commit('plain') },
    { name: 'refs/tags/v1.0.0', commit: commit('v') },
  ]
  const at = (name: string, seed: string, text = '1.0.0'): Target => ({
    version: text,
    ref: name,
    commit: commit(seed),
  })

  test('a computer that has neither takes the one with the v', () => {
    expect(decide(BETA, both, known(at('refs/tags/v0.9.0', 'old', '0.9.0')))).toMatchObject({
      kind: 'update',
      target: { ref: 'refs/tags/v1.0.0', commit: commit('v') },
    })
  })

  test('a computer that took the one without, when it was alone, stays until a user says otherwise', () => {
    expect(decide(BETA, both, known(at('refs/tags/1.0.0', 'plain')))).toMatchObject({
      kind: 'refused',
      refusal: 'rewrite',
      reason: expect.stringContaining('1.0.0 is deployed already, from another commit'),
    })
  })

  test('a computer that took the one with the v has nothing to do', () => {
    expect(decide(BETA, both, known(at('refs/tags/v1.0.0', 'v'))).kind).toBe('current')
  })
})

test('another build of the deployed version is not newer', () => {
  const offered = [{ name: 'refs/tags/v1.2.3+build.2', commit: commit('second') }]
  const target = { version: '1.2.3', ref: 'refs/tags/v1.2.3+build.1', commit: commit('first') }
  expect(decide(BETA, offered, known(target))).toMatchObject({ kind: 'refused', refusal: 'rewrite' })
})
