import { describe, expect, test } from 'vitest'
import { type Choices, isCalled, parseName, ruleOf } from '../../src/channel/choices.ts'
import { type ChannelConfig, decide } from '../../src/channel/decide.ts'
import type { Target } from '../../src/channel/target.ts'
import { commit, head, release } from '../helpers/commits.ts'

const ALPHA: ChannelConfig = { channel: 'alpha', branch: 'main', prereleases: false, min_age: 0 }
const BETA: ChannelConfig = { ...ALPHA, channel: 'beta' }

const tags = (...versions: string[]) =>
  versions.map((version) => ({ name: `refs/tags/v${version}`, commit: commit(version) }))
const main = (seed: string) => [{ name: 'refs/heads/main', commit: commit(seed) }]
const holding = (...held: Target[]): Choices => ({ pin: null, held })
const pinning = (pin: Target, ...held: Target[]): Choices => ({ pin, held })
const knowing = (deployed: Target, choices: Choices, more: object = {}) => ({
  deployed,
  choices,
  seen: [],
  now: 0,
  ...more,
})

describe('a name', () => {
  test.each([
    ['1.7.0', { version: '1.7.0' }],
    ['v1.7.0', { version: '1.7.0' }],
    ['1.7', { version: '1.7.0' }],
    ['2.0.0-rc.1', { version: '2.0.0-rc.1' }],
    ['0123', { commit: '0123' }],
    ['ABCDEF01', { commit: 'abcdef01' }],
    ['a'.repeat(64), { commit: 'a'.repeat(64) }],
    ['17', null],
    ['a'.repeat(65), null],
    ['main', null],
    ['-n', null],
    ['', null],
  ])('%s', (text, name) => {
    if (name) expect(parseName(text)).toEqual(name)
    else expect(() => parseName(text)).toThrow('neither a version nor a commit')
  })

  test('is that of a target by its whole version, or the beginning of its commit', () => {
    const one = release('1.7.0')
    expect(isCalled(one, { version: '1.7.0' })).toBe(true)
    expect(isCalled(one, { version: '1.7.0-rc.1' })).toBe(false)
    expect(isCalled(one, { commit: one.commit.slice(0, 4) })).toBe(true)
    expect(isCalled(one, { commit: 'f00d' })).toBe(false)
    expect(isCalled(head('x'), { version: '1.7.0' })).toBe(false)
  })
})

describe('what a user chose', () => {
  test.each<[string, Choices, Target, string | null]>([
    ['nothing', holding(), release('1.0.0'), null],
    ['another one', holding(release('1.1.0')), release('1.0.0'), null],
    ['it', holding(release('1.0.0')), release('1.0.0'), 'is held: telec unhold 1.0.0'],
    [
      'it, whose tag has moved',
      holding(release('1.0.0')),
      { ...release('1.0.0'), commit: commit('moved') },
      'is held: telec unhold 1.0.0',
    ],
    ['a commit without a version', holding(head('a')), head('b'), null],
    ['to pin it, and held it before', pinning(release('1.0.0'), release('1.0.0')), release('1.0.0'), null],
  ])('keeps a target, or does not, from being taken: %s', (_, choices, target, rule) => {
    expect(ruleOf(choices, target)).toBe(rule)
  })

  test.each<[string, string[], string, string[], string, string | null]>([
    ['the next best is taken', ['1.0.0', '1.1.0', '1.2.0'], '1.0.0', ['1.2.0'], 'update', '1.1.0'],
    ['there is no next best', ['1.0.0', '1.2.0'], '1.0.0', ['1.2.0'], 'held', '1.2.0'],
    ['nor after several', ['1.0.0', '1.1.0', '1.2.0'], '1.0.0', ['1.2.0', '1.1.0'], 'held', '1.2.0'],
    ['it is deployed', ['1.0.0', '1.2.0'], '1.2.0', ['1.2.0'], 'current', null],
    ['it is deployed, and a newer one comes', ['1.2.0', '1.3.0'], '1.2.0', ['1.2.0'], 'update', '1.3.0'],
    ['all that there is', ['1.2.0'], '1.0.0', ['1.2.0'], 'held', '1.2.0'],
    ['an older one', ['1.0.0', '1.1.0', '1.2.0'], '1.1.0', ['1.0.0'], 'update', '1.2.0'],
    ['what is deployed was withdrawn', ['1.0.0', '1.2.0'], '1.1.0', ['1.2.0'], 'refused', '1.0.0'],
  ])('of releases: %s', (_, offered, deployed, held, kind, version) => {
    const choices = holding(...held.map((one) => release(one)))
    const decision = decide(BETA, tags(...offered), knowing(release(deployed), choices))
    expect(decision.kind).toBe(kind)
    expect('target' in decision ? decision.target.version : null).toBe(version)
  })

  test('a release without a version that runs is never left for an older one because of a hold', () => {
    const deployed = { ...release('1.1.0'), version: null }
    const known = knowing(deployed, holding(release('1.2.0')))
    expect(decide(BETA, tags('1.0.0', '1.1.0', '1.2.0'), known)).toMatchObject({
      kind: 'held',
      target: { version: '1.2.0' },
    })
  })

  test('of a branch: its head is held as long as it stays there', () => {
    const known = knowing(head('old'), holding(head('new')))
    expect(decide(ALPHA, main('new'), known)).toMatchObject({ kind: 'held', target: head('new') })
    expect(decide(ALPHA, main('newer'), known)).toMatchObject({ kind: 'update', target: head('newer') })
  })
})

describe('a pin', () => {
  const PIN = release('1.1.0')

  test.each<[string, ChannelConfig, ReturnType<typeof tags>, object]>([
    ['newer ones are offered', BETA, tags('1.1.0', '1.2.0'), {}],
    ['it is not offered any more', BETA, tags('1.0.0'), {}],
    ['nothing is', BETA, [], {}],
    ['it was rolled back from', BETA, tags('1.1.0'), { rolledBack: [PIN] }],
    ['it is too young', { ...BETA, min_age: 60_000 }, tags('1.1.0'), {}],
    ['the branch is missing', ALPHA, [], {}],
    ['the branch has moved on', ALPHA, main('new'), {}],
  ])('is what is wanted, and nothing else is, although %s', (_, channel, offers, more) => {
    expect(decide(channel, offers, knowing(release('1.0.0'), pinning(PIN), more))).toMatchObject({
      kind: 'update',
      target: PIN,
    })
    const there = decide(channel, offers, knowing(PIN, pinning(PIN), more))
    expect(there).toMatchObject({ kind: 'current', reason: expect.stringContaining('pinned to 1.1.0') })
    expect(there.considered.filter(({ rule }) => rule === null)).toEqual([])
  })
})
