import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ChannelConfig, decide } from '../../src/channel/decide.ts'
import type { Target } from '../../src/channel/target.ts'
import { type MigrationRecord, recordedSince } from '../../src/state/migrations.ts'
import {
  began,
  ended,
  firstState,
  startUpdate,
  type Update,
  type UpdateState,
} from '../../src/state/update-state.ts'
import { planRollback, verifyMigrations } from '../../src/update/rollback.ts'
import { commit, head, release } from '../helpers/commits.ts'

const AT = '2026-05-04T12:00:00.000Z'
const [ONE, TWO, THREE] = [head('one', '1.0.0'), head('two', '1.1.0'), head('three', '1.2.0')]

function recordOf(...ids: string[]): MigrationRecord {
  return { applied: new Map(ids.map((id) => [id, null])), baseline: null, unsettled: new Map(), more: {} }
}

/** Two is deployed, one was before it. */
const STATE: UpdateState = {
  ...firstState({ ...TWO, last_migration: 'b' }, AT),
  previous: [{ ...ONE, last_migration: 'a' }],
}
const toThree = (): Update => startUpdate(STATE, 'alpha', THREE, [], AT)
const moved = (update: Update): Update => ended(began(update, 'checkout', AT), 'checkout', AT, null)
const HALT = {
  target: THREE,
  step: 'install',
  error: '',
  because: null,
  hint: null,
  go_on: '',
  migration: null,
  transient: false,
  at: AT,
  attempts: 1,
  next_try_at: null,
}

const ZERO = head('zero', '0.9.0')
const backToOne = (): Update => ({
  ...moved(startUpdate(STATE, 'alpha', ONE, [], AT)),
  from: TWO,
  rollback: { migrations: [], held: [TWO] },
})

describe('a rollback', () => {
  test('goes from the deployed version to the version deployed before', () => {
    expect(planRollback(STATE, recordOf('a', 'b'))).toEqual({ from: TWO, target: ONE, migrations: ['b'] })
  })

  test('after an update that halted half-way goes back to the deployed version', () => {
    const state = { ...STATE, update: moved(toThree()), halted: HALT }
    expect(planRollback(state, recordOf('a', 'b', 'c'))).toEqual({
      from: THREE,
      target: TWO,
      migrations: ['c'],
    })
  })

  test('after one that halted before it touched the checkout goes further back', () => {
    const state = { ...STATE, update: toThree(), halted: HALT }
    expect(planRollback(state, recordOf('a'))).toEqual({ from: TWO, target: ONE, migrations: [] })
  })

  test('that halted itself is the one that is resumed', () => {
    const rollback = { migrations: ['x'], held: [TWO] }
    const update = { ...moved(toThree()), from: TWO, target: ONE, rollback }
    expect(planRollback({ ...STATE, update, halted: HALT }, recordOf())).toEqual({
      from: TWO,
      target: ONE,
      migrations: ['x'],
    })
  })

  test.each<[string, UpdateState, string, typeof ONE]>([
    ['one that was deployed long ago', { ...STATE, previous: [ZERO, ...STATE.previous] }, '0.9.0', ZERO],
    ['by its commit', STATE, ONE.commit, ONE],
    ['what is deployed, from half-way', { ...STATE, update: moved(toThree()), halted: HALT }, '1.1.0', TWO],
    ['further, from half-way', { ...STATE, update: moved(toThree()), halted: HALT }, '1.0.0', ONE],
    [
      'another one than a rollback that halted',
      { ...STATE, previous: [ZERO, ...STATE.previous], update: backToOne(), halted: HALT },
      '0.9.0',
      ZERO,
    ],
  ])('goes to what a person names: %s', (_, state, to, target) => {
    expect(planRollback(state, recordOf(), to)).toMatchObject({ target })
  })

  test.each<[string, UpdateState, string | null, readonly Target[], Target]>([
    ['the one before it', { ...STATE, previous: [ZERO, ONE] }, null, [ONE], ZERO],
    [
      'the one before it, by a version that another commit has, too',
      { ...STATE, previous: [ZERO, ONE] },
      null,
      [{ ...THREE, version: '1.0.0' }],
      ZERO,
    ],
    ['it, where it is named', { ...STATE, previous: [ZERO, ONE] }, '1.0.0', [ONE], ONE],
    [
      'what is deployed, from half-way',
      { ...STATE, update: moved(toThree()), halted: HALT },
      null,
      [TWO],
      TWO,
    ],
  ])('where a person holds one it goes to %s', (_, state, to, never, target) => {
    expect(planRollback(state, recordOf(), to, never)).toMatchObject({ target })
  })

  test('is refused where a user holds all that was deployed before', () => {
    expect(() => planRollback(STATE, recordOf(), null, [ONE])).toThrow(
      /^all versions deployed before 1\.1\.0 .* are held$/,
    )
  })

  test('to one that was deployed long ago counts all migrations since then', () => {
    const state = { ...STATE, previous: [{ ...ZERO, last_migration: null }, ...STATE.previous] }
    expect(planRollback(state, recordOf('a', 'b'), '0.9.0').migrations).toEqual(['a', 'b'])
  })

  test.each<[string, UpdateState, string, string]>([
    [
      'it was never deployed here',
      STATE,
      '3.0.0',
      '3.0.0 is not among the last 2 deployments on this computer',
    ],
    ['it is deployed', STATE, '1.1.0', `${TWO.commit.slice(0, 12)}) is deployed already`],
    ['it is no name', STATE, 'last', 'last is neither a version nor a commit'],
    [
      'several are called so',
      { ...STATE, previous: [{ ...ONE, commit: commit('other') }, ...STATE.previous] },
      '1.0.0',
      '1.0.0 names 2 deployments',
    ],
    [
      'another rollback is under way',
      { ...STATE, previous: [ZERO, ...STATE.previous], update: backToOne() },
      '0.9.0',
      'an update to 1.0.0',
    ],
  ])('to what a person names is refused where %s', (_, state, to, message) => {
    expect(() => planRollback(state, recordOf(), to)).toThrow(message)
  })

  test.each<[string, UpdateState, string]>([
    ['nothing was deployed before', { ...STATE, previous: [] }, 'no deployment before 1.1.0'],
    ['an update is under way', { ...STATE, update: moved(toThree()) }, 'an update to 1.2.0'],
  ])('is refused where %s', (_, state, message) => {
    expect(() => planRollback(state, recordOf())).toThrow(message)
  })

  test('is refused where migrations ran since, unless a user says that it may', () => {
    const plan = { from: TWO, target: ONE, migrations: ['1.1.0/001_a.ts'] }
    expect(() => verifyMigrations(plan, { force: false, to: null })).toThrow('1 migration ran since 1.0.0')
    verifyMigrations(plan, { force: true, to: null })
    verifyMigrations({ ...plan, migrations: [] }, { force: false, to: null })
  })
})

describe('the migrations since', () => {
  test('is what follows the mark; all of it where the mark is not known', () => {
    const ids = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1 })
    fc.assert(
      fc.property(ids, fc.nat(), (all, at) => {
        const index = at % all.length
        expect(recordedSince(recordOf(...all), all[index] ?? null)).toEqual(all.slice(index + 1))
        expect(recordedSince(recordOf(...all), null)).toEqual(all)
        const others = all.filter((_, one) => one !== index)
        expect(recordedSince(recordOf(...others), all[index] ?? null)).toEqual(others)
      }),
    )
  })
})

describe('the version rolled back from', () => {
  const ALPHA: ChannelConfig = { channel: 'alpha', branch: 'main', prereleases: false, min_age: 0 }
  const BETA: ChannelConfig = { ...ALPHA, channel: 'beta' }
  const main = (seed: string) => [{ name: 'refs/heads/main', commit: commit(seed) }]
  const tags = (...versions: string[]) =>
    versions.map((version) => ({ name: `refs/tags/v${version}`, commit: commit(version) }))
  const knowing = (deployed: typeof ONE, rolledBack: readonly (typeof ONE)[]) => ({
    deployed,
    seen: [],
    rolledBack,
    now: Date.parse(AT),
  })

  test('is held as long as the branch stays there, and no longer', () => {
    const known = knowing(ONE, [TWO])
    const held = decide(ALPHA, main('two'), known)
    expect(held).toMatchObject({ kind: 'held', target: TWO })
    expect(held.reason).toContain('rolled back')
    expect(held.reason).toContain('telec-update --retry')
    expect(decide(ALPHA, main('three'), known)).toMatchObject({
      kind: 'update',
      target: { commit: THREE.commit },
    })
  })

  test.each<[string, string[], string, string]>([
    ['alone', ['1.0.0', '1.2.0'], 'held', '1.2.0'],
    ['with others between', ['1.0.0', '1.1.0', '1.2.0'], 'held', '1.2.0'],
    ['with a newer one', ['1.0.0', '1.1.0', '1.2.0', '1.2.1'], 'update', '1.2.1'],
  ])('as a release is held, %s', (_, versions, kind, version) => {
    const known = knowing(release('1.0.0'), [release('1.2.0')])
    expect(decide(BETA, tags(...versions), known)).toMatchObject({ kind, target: { version } })
  })
})
