import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Computer, makeComputer, markerMigration, version } from '../helpers/computer.ts'
import { restore, snapshot } from '../helpers/snapshot.ts'
import { runInjected } from '../helpers/strace.ts'
import { EVERY } from '../helpers/sweeps.ts'
import { readTree } from '../helpers/tree.ts'
import { watchAndUpdate } from '../helpers/update.ts'

/**
 * telec-update rollback is killed at a system call of its own on telec's home, or of the git that moves the checkout;
 * telec-update continues with it. Killed before it was in the journal, it was never asked for.
 */

let computer: Computer
let one: string
let two: string
let undisturbed: unknown

async function endState() {
  const { deployed, previous, rolled_back, update, halted } = computer.state('update_state.json') as {
    deployed: { commit: string }
    previous: object[]
    rolled_back: { targets: object[] } | null
    update: object | null
    halted: object | null
  }
  return {
    deployed: deployed.commit,
    previous,
    held: rolled_back?.targets,
    update,
    halted,
    migrations: computer.state('migration_state.json')?.applied,
    signal: computer.state('update_signal.json'),
    // What telec-watch may be writing just now is swept when it is older.
    home: readdirSync(computer.home)
      .filter((name) => !/^update_signal\.json\.\d+$/.test(name))
      .sort(),
    head: await computer.gitInCheckout('rev-parse', 'HEAD'),
    branch: await computer.gitInCheckout('symbolic-ref', 'HEAD'),
    checkout: readTree(computer.checkout),
    changes: await computer.gitInCheckout('status', '--porcelain'),
    locks: readdirSync(join(computer.checkout, '.git')).filter((name) => name.endsWith('.lock')),
  }
}

beforeAll(async () => {
  computer = await makeComputer({ initArgs: ['--install', 'cp package.json installed'] })
  await computer.push({ '.gitignore': 'installed\n' })
  expect((await watchAndUpdate(computer)).code).toBe(42)
  one = await computer.gitInCheckout('rev-parse', 'HEAD')
  const migration = markerMigration('1.1.0', '001_first.mjs')
  two = await computer.push({ ...version('1.1.0'), ...migration })
  expect((await watchAndUpdate(computer)).code).toBe(42)
  snapshot(computer)
  const ended = await computer.telec('telec-update', ['rollback', '--force'])
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  undisturbed = await endState()
  expect(undisturbed).toMatchObject({ deployed: one, head: one, held: [{ commit: two }], update: null })
})

afterAll(() => computer.dispose())

/** Of telec itself, as it puts a file into its home, and of the git that moves the checkout; how many there are at least. */
const KILLS: [string, number, number, () => string[]][] = [
  ['telec', EVERY, 9, () => []],
  ['git', 1, 1, () => ['index.lock', 'HEAD.lock'].map((name) => join(computer.checkout, '.git', name))],
]

test.each(KILLS)(
  'a rollback whose %s is killed at any rename is gone on with: the end is that of an undisturbed one',
  async (whose, every, least, paths) => {
    let kills = 0
    for (let occurrence = 1; ; occurrence += every) {
      restore(computer)
      const alone = whose === 'telec'
      const injection = { call: 'rename', occurrence, paths: paths(), alone, env: computer.env }
      const killed = await runInjected('telec-update', ['rollback', '--force'], injection)
      if (killed.code === 42) break // fewer calls than that
      expect(killed, killed.stderr).toMatchObject(killed.code === null ? { signal: 'SIGKILL' } : { code: 75 })
      kills += 1
      const { update, deployed } = computer.state('update_state.json') as {
        update: unknown
        deployed: object
      }
      const hasBegun = update !== null || (deployed as { commit: string }).commit === one
      expect((await computer.telec('telec-watch')).code).toBe(0)
      const again = await computer.telec('telec-update', killed.code === null ? [] : ['--retry'])
      expect([0, 42], `after kill ${occurrence}: ${again.stderr}`).toContain(again.code)
      if (hasBegun)
        expect(await endState(), `after a kill of ${whose} at rename ${occurrence}`).toEqual(undisturbed)
      else expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(two)
    }
    process.stdout.write(`${kills} kills of a rollback's ${whose}, each gone on from\n`)
    expect(kills).toBeGreaterThanOrEqual(least / every)
  },
  900_000,
)
