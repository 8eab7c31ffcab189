import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Migration } from '../../src/migrate/discover.ts'
import { type PlanInputs, pendingMigrations } from '../../src/migrate/plan.ts'

const ALL: PlanInputs = { applied: new Set(), baseline: null, deployed: null, from: null, to: null }

function migration(id: string): Migration {
  const [version = '', file = ''] = id.split('/')
  return { id, version, number: Number.parseInt(file, 10), path: `/app/migrations/v${id}`, language: 'node' }
}

/** In the order in which they are discovered. */
const FIVE = ['1.0.0/001_a.js', '1.1.0/001_b.js', '1.1.0/002_c.js', '1.2.0/001_d.js', '1.10.0/001_e.js'].map(
  migration,
)

function pending(inputs: Partial<PlanInputs>): string[] {
  return pendingMigrations(FIVE, { ...ALL, ...inputs }).map(({ id }) => id)
}

describe('pending migrations', () => {
  test.each<[string, Partial<PlanInputs>, string[]]>([
    ['without any bound, all', {}, FIVE.map(({ id }) => id)],
    [
      'what came with the version at which telec was set up was done by hand',
      { baseline: '1.1.0' },
      ['1.2.0/001_d.js', '1.10.0/001_e.js'],
    ],
    [
      "what is above the target's version waits for a later one",
      { to: '1.2.0', baseline: '1.1.0' },
      ['1.2.0/001_d.js'],
    ],
    [
      'what has been applied is not run again',
      { applied: new Set(['1.1.0/001_b.js']), to: '1.1.0' },
      ['1.0.0/001_a.js', '1.1.0/002_c.js'],
    ],
    [
      'a second script that joins a version which runs already is run',
      { baseline: '1.0.0', applied: new Set(['1.1.0/001_b.js']), to: '1.1.0' },
      ['1.1.0/002_c.js'],
    ],
    [
      '--from leaves out its own version, --to takes it in',
      { from: '1.1.0', to: '1.10.0' },
      ['1.2.0/001_d.js', '1.10.0/001_e.js'],
    ],
    ['--from cannot reach below the baseline', { from: '0.1.0', baseline: '1.2.0' }, ['1.10.0/001_e.js']],
    ['a candidate comes before its release', { to: '1.2.0-rc.1', baseline: '1.1.0' }, []],
    ['--from above --to is nothing', { from: '1.2.0', to: '1.1.0' }, []],
    [
      'an id that has no file any more does no harm',
      { applied: new Set(['0.9.0/001_gone.js']), to: '1.0.0' },
      ['1.0.0/001_a.js'],
    ],
  ])('%s', (_, inputs, ids) => {
    expect(pending(inputs)).toEqual(ids)
  })
})

describe('for any migrations and any bounds', () => {
  const number = fc.nat({ max: 3 })
  const version = fc.tuple(number, number, number).map((parts) => parts.join('.'))
  const bound = fc.option(version)
  const migrations = fc
    .uniqueArray(fc.tuple(version, fc.integer({ min: 1, max: 5 })).map(([v, n]) => `${v}/00${n}_x.js`))
    .map((ids) => ids.sort().map(migration))
  const inputs = migrations.chain((list) =>
    fc.record({
      list: fc.constant(list),
      applied: fc.subarray(list.map(({ id }) => id)).map((ids) => new Set(ids)),
      baseline: bound,
      from: bound,
      to: bound,
    }),
  )

  test('the plan is a part of them, in their order, each at most once, none that was applied', () => {
    fc.assert(
      fc.property(inputs, ({ list, ...rest }) => {
        const plan = pendingMigrations(list, { ...rest, deployed: null })
        const ids = plan.map(({ id }) => id)
        expect(list.map(({ id }) => id).filter((id) => ids.includes(id))).toEqual(ids)
        expect(new Set(ids).size).toBe(plan.length)
        expect(plan.filter(({ id }) => rest.applied.has(id))).toEqual([])
      }),
    )
  })

  test('once the plan is applied, nothing is pending', () => {
    fc.assert(
      fc.property(inputs, ({ list, ...rest }) => {
        const done = pendingMigrations(list, { ...rest, deployed: null }).map(({ id }) => id)
        expect(
          pendingMigrations(list, { ...rest, deployed: null, applied: new Set([...rest.applied, ...done]) }),
        ).toEqual([])
      }),
    )
  })

  test('a higher target never takes a migration away', () => {
    fc.assert(
      fc.property(inputs, version, ({ list, ...rest }, to) => {
        const bounded = pendingMigrations(list, { ...rest, deployed: null, to })
        const unbounded = pendingMigrations(list, { ...rest, deployed: null, to: null })
        expect(unbounded).toEqual(expect.arrayContaining(bounded))
      }),
    )
  })

  test('in two updates the same migrations are run as in one', () => {
    fc.assert(
      fc.property(inputs, version, ({ list, ...rest }, middle) => {
        const first = pendingMigrations(list, { ...rest, deployed: null, to: middle })
        const applied = new Set([...rest.applied, ...first.map(({ id }) => id)])
        const second = pendingMigrations(list, { ...rest, deployed: null, applied, to: null })
        const atOnce = pendingMigrations(list, { ...rest, deployed: null, to: null })
        expect([...first, ...second].map(({ id }) => id).sort()).toEqual(atOnce.map(({ id }) => id).sort())
      }),
    )
  })

  test('cut off anywhere, however often, and resumed, the same are applied in the same order', () => {
    fc.assert(
      fc.property(inputs, fc.array(fc.nat({ max: 4 })), ({ list, ...rest }, cuts) => {
        const plan = (applied: ReadonlySet<string>) =>
          pendingMigrations(list, { ...rest, deployed: null, applied }).map(({ id }) => id)
        const undisturbed = plan(rest.applied)
        const done: string[] = []
        for (const cut of [...cuts, list.length]) {
          const run = plan(new Set([...rest.applied, ...done])).slice(0, cut)
          done.push(...run)
        }
        expect(done).toEqual(undisturbed)
      }),
    )
  })
})
