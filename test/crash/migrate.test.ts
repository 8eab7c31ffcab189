import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Computer, makeComputer } from '../helpers/computer.ts'
import { placeMarker, timesRun } from '../helpers/migrations.ts'
import { restore, snapshot } from '../helpers/snapshot.ts'
import { pathsIn, runInjected } from '../helpers/strace.ts'
import { EVERY, SWEEP_TIMEOUT_MS } from '../helpers/sweeps.ts'

const IDS = [
  '1.1.0/001_a.mjs',
  '1.1.0/002_b.py',
  '1.1.0/003_c.sh',
  '1.2.0/001_d.mjs',
  '1.2.0/002_e.mjs',
  '1.2.0/003_f.mjs',
  '1.10.0/001_g.mjs',
]
/** What only ever happens to the state, wherever its temporary file lies. */
const EVERYWHERE = ['fsync', 'fdatasync', 'rename', 'unlink']
/** What telec does to other files, too: counted on the state alone. */
const ON_STATE = ['write', 'openat']

let computer: Computer

beforeAll(async () => {
  computer = await makeComputer()
  for (const id of IDS) placeMarker(computer, id)
  snapshot(computer)
})
afterAll(() => computer.dispose())

/** The records: in the state file, which must always parse, and in the journal of the killed run. */
function recorded(): string[] {
  const { applied } = computer.state('migration_state.json') as { applied: string[] }
  const journal = join(computer.home, 'migration_state.journal')
  const text = existsSync(journal) ? readFileSync(journal, 'utf8') : ''
  const lines = text.split('\n').filter((line) => line.endsWith('}')) // one that is cut short is not recorded
  return [...new Set([...applied, ...lines.map((line) => (JSON.parse(line) as { id: string }).id)])]
}

test(
  'telec-migrate, killed at system calls on its home and started again, ends as if it had not been',
  async () => {
    const cuts: Record<string, number> = {}
    for (const call of [...EVERYWHERE, ...ON_STATE]) {
      for (let occurrence = 1; ; occurrence += EVERY) {
        restore(computer)
        const paths = EVERYWHERE.includes(call) ? [] : pathsIn(computer.home, 'migration_state.journal')
        const killed = await runInjected('telec-migrate', [], { call, occurrence, paths, env: computer.env })
        if (killed.code === 0) break // fewer calls than that
        expect(killed.signal).toBe('SIGKILL')
        cuts[call] = (cuts[call] ?? 0) + 1
        for (const id of recorded())
          expect(timesRun(computer, id), `${id}, recorded at ${call} ${occurrence}`).toBe(1)
        const again = await computer.telec('telec-migrate')
        expect(again, `after ${call} ${occurrence}: ${again.stderr}`).toMatchObject({ code: 0 })
        expect(computer.state('migration_state.json')).toMatchObject({ baseline: '1.0.0', applied: IDS })
        expect(existsSync(join(computer.home, 'migration_state.journal'))).toBe(false)
        for (const id of IDS) expect(timesRun(computer, id)).toBe(1) // their check() sees a run that was not recorded
      }
    }
    const total = Object.values(cuts).reduce((sum, amount) => sum + amount, 0)
    process.stdout.write(`${total} cuts of telec-migrate, each gone on from: ${JSON.stringify(cuts)}\n`)
    expect(total).toBeGreaterThan(15 / EVERY)
  },
  SWEEP_TIMEOUT_MS,
)
