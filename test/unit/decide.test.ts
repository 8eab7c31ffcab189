import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ChannelConfig, decide as decideOn } from '../../src/channel/decide.ts'
import type { Ref } from '../../src/channel/releases.ts'
import { remember, type Sighting } from '../../src/channel/sightings.ts'
import type { Target } from '../../src/channel/target.ts'
import { commit, head, release } from '../helpers/commits.ts'

const ALPHA: ChannelConfig = {
  channel: 'alpha',
  branch: 'main',
  pinned_minor: undefined,
  prereleases: false,
  min_age: 0,
}
const BETA: ChannelConfig = { ...ALPHA, channel: 'beta' }
const STABLE: ChannelConfig = { ...ALPHA, channel: 'stable', pinned_minor: '1.2' }

const NOW = Date.UTC(2026, 0, 2)

/** Without what `--explain` says. */
function decide(
  channel: ChannelConfig,
  offers: readonly Ref[],
  deployed: Target,
  seen: readonly Sighting[] = [],
) {
  const {
    considered: _,
    malformed: __,
    ...decision
  } = decideOn(channel, offers, { deployed, seen, now: NOW })
  return decision
}

/** Tags `v…` of the remote, each at a commit of its own. */
function tags(...versions: string[]): Ref[] {
  return versions.map((version) => ({ name: `refs/tags/v${version}`, commit: commit(version) }))
}

describe('alpha', () => {
  const branch = (name: string, seed: string): Ref => ({ name: `refs/heads/${name}`, commit: commit(seed) })

  test('a push to the branch is taken, with any version', () => {
    expect(decide(ALPHA, [branch('main', 'new')], head('old', '1.0.0'))).toEqual({
      kind: 'update',
      target: head('new'),
      reason: 'main has a new head',
    })
  })

  test('the head that is deployed is not taken again', () => {
    expect(decide(ALPHA, [branch('main', 'old')], head('old'))).toEqual({
      kind: 'current',
      reason: 'the head of main is deployed',
    })
  })

  test.each<[string, Ref[], string | null, string]>([
    [
      'a branch that was renamed',
      [branch('topic', 'new')],
      'trunk',
      'the remote has no branch main; its default branch is trunk',
    ],
    ['a branch whose name begins alike', [branch('main2', 'new')], null, 'the remote has no branch main'],
    ['a remote without a commit', [], null, 'the remote has no branch main'],
    ['a remote with releases alone', tags('9.0.0'), null, 'the remote has no branch main'],
  ])('%s is nothing to follow', (_, offers, defaultBranch, reason) => {
    const known = { deployed: head('old'), seen: [], now: NOW, defaultBranch }
    expect(decideOn(ALPHA, offers, known)).toMatchObject({ kind: 'missing', reason })
  })

  test('another branch can be followed', () => {
    const decision = decide(
      { ...ALPHA, branch: 'next/1' },
      [branch('main', 'a'), branch('next/1', 'b')],
      head('old'),
    )
    expect(decision).toMatchObject({
      kind: 'update',
      target: { ref: 'refs/heads/next/1', commit: commit('b') },
    })
  })
})

describe('releases', () => {
  test.each<[string, ChannelConfig, Ref[], string, string]>([
    ['beta takes the newest release', BETA, tags('1.0.0', '1.1.0', '2.0.0'), '1.0.0', '2.0.0'],
    ['1.10.0 is newer than 1.9.0', BETA, tags('1.9.0', '1.10.0'), '1.8.0', '1.10.0'],
    [
      'a computer pinned to 1.2 takes the patches of 1.2',
      STABLE,
      tags('1.2.0', '1.2.10', '1.2.9', '1.3.0', '2.0.0'),
      '1.2.0',
      '1.2.10',
    ],
    [
      'a release candidate is taken where prereleases are asked for',
      { ...BETA, prereleases: true },
      tags('1.0.0', '1.1.0-rc.1'),
      '1.0.0',
      '1.1.0-rc.1',
    ],
    [
      'the release is newer than its candidate',
      { ...BETA, prereleases: true },
      tags('1.1.0-rc.2', '1.1.0'),
      '1.1.0-rc.2',
      '1.1.0',
    ],
    [
      'a candidate rc.10 is newer than rc.9',
      { ...BETA, prereleases: true },
      tags('1.1.0-rc.9', '1.1.0-rc.10'),
      '1.1.0-rc.9',
      '1.1.0-rc.10',
    ],
  ])('%s', (_, channel, offers, deployed, wanted) => {
    expect(decide(channel, offers, release(deployed))).toMatchObject({
      kind: 'update',
      target: release(wanted),
    })
  })

  test.each<[string, ChannelConfig, Ref[], string]>([
    ['a computer pinned to 1.2 does not move to 1.20.0', STABLE, tags('1.2.0', '1.20.0'), '1.2.0'],
    ['a computer pinned to 1.2 does not move to 11.2.0', STABLE, tags('1.2.0', '11.2.0'), '1.2.0'],
    ['a computer pinned to 1.2 does not move to 1.3.0', STABLE, tags('1.2.0', '1.3.0'), '1.2.0'],
    ['a release candidate is not taken unless asked for', BETA, tags('1.2.0', '1.3.0-rc.1'), '1.2.0'],
    [
      'tags that are no versions are passed over',
      BETA,
      [
        ...tags('1.2.0'),
        { name: 'refs/tags/nightly', commit: commit('n') },
        { name: 'refs/tags/v2', commit: commit('v') },
        { name: 'refs/tags/release-3.0.0', commit: commit('r') },
      ],
      '1.2.0',
    ],
    [
      'a branch named like a version is no release',
      BETA,
      [...tags('1.2.0'), { name: 'refs/heads/v9.0.0', commit: commit('h') }],
      '1.2.0',
    ],
    ['what is deployed is not taken again', BETA, tags('1.2.0'), '1.2.0'],
  ])('%s', (_, channel, offers, deployed) => {
    expect(decide(channel, offers, release(deployed)).kind).toBe('current')
  })

  test('a remote without releases has nothing to follow where one is deployed, and nothing new elsewhere', () => {
    expect(decide(BETA, [], release('1.2.0'))).toMatchObject({ kind: 'missing' })
    expect(decide(BETA, [], head('old', '1.2.0'))).toEqual({
      kind: 'current',
      reason: 'no release fits beta',
    })
  })

  test('a tag without the v counts as a release', () => {
    const offers = [{ name: 'refs/tags/1.3.0', commit: commit('x') }]
    expect(decide(BETA, offers, release('1.2.0'))).toMatchObject({
      kind: 'update',
      target: { version: '1.3.0', ref: 'refs/tags/1.3.0' },
    })
  })

  test('of the tags 1.3.0 and v1.3.0 the one with the v is taken', () => {
    const offers = [
      { name: 'refs/tags/1.3.0', commit: commit('plain') },
      { name: 'refs/tags/v1.3.0', commit: commit('v') },
    ]
    for (const order of [offers, offers.toReversed()])
      expect(decide(BETA, order, release('1.2.0'))).toMatchObject({ target: { commit: commit('v') } })
  })

  test('a checkout that declares no version takes the newest release', () => {
    expect(decide(BETA, tags('1.2.0'), head('adopted'))).toMatchObject({
      kind: 'update',
      target: release('1.2.0'),
    })
  })

  test('a computer that follows alpha and moves to beta keeps the commit that is the newest release', () => {
    expect(decide(BETA, tags('1.2.0'), head('1.2.0', '1.2.0')).kind).toBe('current')
  })

  test('a computer that was set to an older minor version does not go back automatically', () => {
    const decision = decide(STABLE, tags('1.2.5', '1.4.0'), release('1.4.0'))
    expect(decision).toEqual({
      kind: 'refused',
      target: release('1.2.5'),
      refusal: 'downgrade',
      reason: '1.2.5, the newest release for stable (1.2), is older than 1.4.0, which is deployed',
    })
  })

  test('a tag that was moved is refused, and the message has both commits', () => {
    const moved = { name: 'refs/tags/v1.2.0', commit: 'f'.repeat(40) }
    const decision = decide(BETA, [moved], release('1.2.0'))
    expect(decision.kind).toBe('refused')
    expect(decision.reason).toContain(commit('1.2.0').slice(0, 12))
    expect(decision.reason).toContain('ffffffffffff')
    expect(decision.reason).toContain('has moved')
  })

  test('a release of the version that a branch brought already, from another commit, is refused', () => {
    const decision = decide(BETA, tags('1.2.0'), head('other', '1.2.0'))
    expect(decision.kind).toBe('refused')
    expect(decision.reason).toContain('from another commit')
  })
})

describe('min_age', () => {
  const HOUR = 3_600_000
  const hours = (amount: number) => new Date(NOW + amount * HOUR).toISOString()
  const seenAt = (version: string, at: string): Sighting => ({
    ref: `refs/tags/v${version}`,
    commit: commit(version),
    at,
  })
  const SLOW: ChannelConfig = { ...BETA, min_age: 2 * HOUR }

  test.each<[string, string[], Sighting[], string | null]>([
    ['one that was not seen before is held', ['1.1.0'], [], null],
    ['one that was seen an hour ago is held', ['1.1.0'], [seenAt('1.1.0', hours(-1))], null],
    ['one that was seen two hours ago is taken', ['1.1.0'], [seenAt('1.1.0', hours(-2))], '1.1.0'],
    [
      'a newer one does not hold up one that is old enough',
      ['1.1.0', '1.2.0'],
      [seenAt('1.1.0', hours(-2)), seenAt('1.2.0', hours(-1))],
      '1.1.0',
    ],
    [
      'of two that are old enough the newer is taken',
      ['1.1.0', '1.2.0'],
      [seenAt('1.1.0', hours(-3)), seenAt('1.2.0', hours(-2))],
      '1.2.0',
    ],
    [
      'a time ahead, of a clock that was turned back, holds no longer than any',
      ['1.1.0'],
      [seenAt('1.1.0', hours(99))],
      null,
    ],
  ])('%s', (_, offered, seen, wanted) => {
    const decision = decide(SLOW, tags(...offered), release('1.0.0'), seen)
    if (wanted === null) expect(decision).toMatchObject({ kind: 'held', target: release(offered[0] ?? '') })
    else expect(decision).toMatchObject({ kind: 'update', target: release(wanted) })
  })

  test('a held version says until when, and the rule', () => {
    const { considered } = decideOn(SLOW, tags('1.1.0'), {
      deployed: release('1.0.0'),
      seen: [seenAt('1.1.0', hours(-1.5))],
      now: NOW,
    })
    expect(considered).toEqual([
      { target: release('1.1.0'), rule: expect.stringContaining('deployment.min_age'), until: hours(0.5) },
    ])
  })

  test('constant pushes do not keep a computer from a commit that is old enough', () => {
    const channel: ChannelConfig = { ...ALPHA, min_age: 2 * HOUR }
    let seen: Sighting[] = []
    let deployed = head(0)
    for (let hour = 1; hour <= 50; hour += 1) {
      const now = NOW + hour * HOUR
      const offers = [{ name: 'refs/heads/main', commit: commit(hour) }]
      seen = remember(
        seen,
        [{ ref: 'refs/heads/main', commit: commit(hour) }],
        deployed.commit,
        new Date(now).toISOString(),
      )
      const decision = decideOn(channel, offers, { deployed, seen, now })
      if (decision.kind === 'update') deployed = decision.target
      if (hour > 2) expect(deployed.commit).toBe(commit(hour - 2))
    }
    expect(seen.length).toBeLessThan(5)
  })
})

describe('a tag that moved since this computer saw it', () => {
  const seen = [{ ref: 'refs/tags/v1.1.0', commit: commit('before'), at: '2026-01-01T00:00:00.000Z' }]

  test('is refused, although nothing of it was ever deployed', () => {
    expect(decide(BETA, tags('1.1.0'), release('1.0.0'), seen)).toEqual({
      kind: 'refused',
      refusal: 'rewrite',
      target: release('1.1.0'),
      reason: `the tag of 1.1.0 has moved from ${commit('before').slice(0, 12)} to ${commit('1.1.0').slice(0, 12)}`,
    })
  })

  test('is seen now where it was seen in the future, by a clock that was turned back', () => {
    const at = '2025-01-02T00:00:00.000Z'
    const seen = [{ ref: 'refs/tags/v1.1.0', commit: commit('1.1.0'), at: '2026-01-02T00:00:00.000Z' }]
    expect(remember(seen, [], commit('1.0.0'), at)).toEqual([{ ...seen[0], at }])
  })

  test('is remembered at its first commit', () => {
    const offered = [{ ref: 'refs/tags/v1.1.0', commit: commit('1.1.0') }]
    expect(remember(seen, offered, commit('1.0.0'), '2026-01-02T00:00:00.000Z')).toEqual(seen)
  })

  test('does not matter where a newer one is offered', () => {
    expect(decide(BETA, tags('1.1.0', '1.2.0'), release('1.0.0'), seen)).toMatchObject({
      kind: 'update',
      target: release('1.2.0'),
    })
  })
})

test('tags that look like a version and are none are reported, others skipped', () => {
  const names = [
    'v1.2',
    '1.2.3.4',
    'v1.02.3',
    'v1.2.3rc1',
    'v1.2.0',
    '1.2.1-rc.1',
    'nightly',
    'v2',
    'release-3.0.0',
    'x1.2',
  ]
  const offers = names.map((name) => ({ name: `refs/tags/${name}`, commit: commit(name) }))
  const decision = decideOn(BETA, offers, { deployed: release('1.0.0'), seen: [], now: NOW })
  expect(decision.malformed).toEqual(['v1.2', '1.2.3.4', 'v1.02.3', 'v1.2.3rc1'])
  expect(decision).toMatchObject({ kind: 'update', target: { ref: 'refs/tags/v1.2.0' } })
})

test('a prerelease of GitHub is one, with any version', () => {
  const offers = [...tags('1.0.0'), { name: 'refs/tags/v1.1.0', commit: commit('1.1.0'), prerelease: true }]
  expect(decide(BETA, offers, release('1.0.0')).kind).toBe('current')
  expect(decide({ ...BETA, prereleases: true }, offers, release('1.0.0'))).toMatchObject({ kind: 'update' })
})

describe('the available versions are explained', () => {
  test.each<[string, ChannelConfig, string, string, string | null]>([
    ['the one that is taken', BETA, '1.1.0', '1.0.0', null],
    ['what is deployed', BETA, '1.0.0', '1.0.0', 'is deployed'],
    ['an older one', BETA, '0.9.0', '1.0.0', 'is not newer than 1.0.0'],
    ['a prerelease', BETA, '1.1.0-rc.1', '1.0.0', 'is a prerelease'],
    ['another minor version', STABLE, '1.3.0', '1.2.0', 'is no patch of 1.2'],
  ])('%s', (_, channel, offered, deployed, rule) => {
    const { considered } = decideOn(channel, tags(offered), {
      deployed: release(deployed),
      seen: [],
      now: NOW,
    })
    expect(considered).toEqual([
      { target: release(offered), rule: rule === null ? null : expect.stringContaining(rule), until: null },
    ])
  })

  test('the newest ten, of however many', () => {
    const offers = tags(...Array.from({ length: 50 }, (_, index) => `1.0.${index}`))
    const { considered } = decideOn(BETA, offers, { deployed: release('1.0.49'), seen: [], now: NOW })
    expect(considered.map(({ target }) => target.version)).toEqual(
      Array.from({ length: 10 }, (_, index) => `1.0.${49 - index}`),
    )
  })
})

describe('against a second, naive implementation', () => {
  const number = fc.nat({ max: 12 })
  const version = fc.record({
    major: fc.nat({ max: 2 }),
    minor: number,
    patch: number,
    rc: fc.option(number),
  })
  type Version = { major: number; minor: number; patch: number; rc: number | null }
  const text = ({ major, minor, patch, rc }: Version) =>
    `${major}.${minor}.${patch}${rc === null ? '' : `-rc.${rc}`}`
  /** One number per version, in their order. */
  const rank = ({ major, minor, patch, rc }: Version) =>
    ((major * 100 + minor) * 100 + patch) * 100 + (rc === null ? 99 : rc)

  test('the newest release that fits is the target, and never one that is older than the deployed version', () => {
    fc.assert(
      fc.property(
        fc.array(version, { maxLength: 30 }),
        version,
        fc.boolean(),
        fc.option(fc.tuple(fc.nat({ max: 2 }), number)),
        (offered, current, prereleases, pin) => {
          const channel: ChannelConfig = pin
            ? { ...STABLE, pinned_minor: pin.join('.'), prereleases }
            : { ...BETA, prereleases }
          let newest: Version | null = null
          for (const one of offered) {
            if (one.rc !== null && !prereleases) continue
            if (pin && (one.major !== pin[0] || one.minor !== pin[1])) continue
            if (newest === null || rank(one) > rank(newest)) newest = one
          }
          const decision = decide(channel, tags(...offered.map(text)), release(text(current)))
          if (newest === null) expect(decision.kind).toBe('missing')
          else if (rank(newest) === rank(current)) expect(decision.kind).toBe('current')
          else if (rank(newest) > rank(current))
            expect(decision).toMatchObject({ kind: 'update', target: release(text(newest)) })
          else expect(decision).toMatchObject({ kind: 'refused', target: release(text(newest)) })
        },
      ),
    )
  })

  test('the order in which the remote lists its tags does not matter', () => {
    fc.assert(
      fc.property(fc.uniqueArray(version, { selector: text, maxLength: 20 }), version, (offered, current) => {
        const offers = tags(...offered.map(text))
        const deployed = release(text(current))
        expect(decide(BETA, offers.toReversed(), deployed)).toEqual(decide(BETA, offers, deployed))
      }),
    )
  })

  test('decided once more after the update, there is nothing to do', () => {
    fc.assert(
      fc.property(fc.array(version, { minLength: 1, maxLength: 20 }), version, (offered, current) => {
        const offers = tags(...offered.map(text))
        const decision = decide(BETA, offers, release(text(current)))
        if (decision.kind === 'update') expect(decide(BETA, offers, decision.target).kind).toBe('current')
      }),
    )
  })
})
