import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Computer, makeComputer } from '../helpers/computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { placeMarker, timesRun } from '../helpers/migrations.ts'
import { restore, snapshot } from '../helpers/snapshot.ts'
import { pathsIn, runInjected } from '../helpers/strace.ts'

const IDS = ['1.1.0/001_a.mjs', '1.1.0/002_b.mjs', '1.1.0/003_c.py', '1.2.0/001_d.sh']

let computer: Computer

beforeAll(async () => {
  computer = await makeComputer()
  for (const id of IDS) placeMarker(computer, id)
  snapshot(computer)
})
afterAll(() => computer.dispose())

/** What goes wrong, at each occurrence in turn: counted on the state alone, or wherever it happens. */
test.each([
  ['write', 'ENOSPC', true],
  ['write', 'EIO', true],
  ['pwrite64', 'ENOSPC', true],
  ['fdatasync', 'EIO', false],
  ['fsync', 'EIO', false],
  ['rename', 'EROFS', false],
])(
  'where %s fails with %s it says so, loses nothing, and goes on when it works again',
  async (call, code, onState) => {
    let failures = 0
    for (let occurrence = 1; ; occurrence += 1) {
      restore(computer)
      const paths = onState ? pathsIn(computer.home, 'migration_state.journal') : []
      const effect = `error=${code}`
      const ended = await runInjected('telec-migrate', [], {
        call,
        occurrence,
        effect,
        paths,
        env: computer.env,
      })
      if (ended.code === 0) break
      failures += 1
      const isTransient = code === 'ENOSPC'
      expectFailure(ended, isTransient ? 75 : 1, [code])
      const again = await computer.telec('telec-migrate')
      expect(again, `after ${call} ${occurrence}: ${again.stderr}`).toMatchObject({ code: 0 })
      expect(computer.state('migration_state.json')).toMatchObject({ baseline: '1.0.0', applied: IDS })
      for (const id of IDS) expect(timesRun(computer, id)).toBe(1)
    }
    expect(failures).toBeGreaterThan(0)
  },
  120_000,
)
