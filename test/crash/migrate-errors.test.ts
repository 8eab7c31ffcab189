import { readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type Computer, makeComputer } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { place, placeMarker, timesRun } from '../helpers/migrations.ts'
import { execute, succeed } from '../helpers/programs.ts'
import { restore, snapshot } from '../helpers/snapshot.ts'
import { pathsIn, runInjected } from '../helpers/strace.ts'
import { EVERY, SWEEP_TIMEOUT_MS } from '../helpers/sweeps.ts'

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
  ['openat', 'EROFS', true],
  ['openat', 'EMFILE', true],
  ['read', 'EIO', true],
  ['fdatasync', 'EIO', false],
  ['fsync', 'EIO', false],
  ['rename', 'EROFS', false],
  ['unlink', 'EROFS', true],
])(
  'where %s fails with %s it says so, loses nothing, and goes on when it works again',
  async (call, code, onState) => {
    const trace = join(computer.folder, 'trace')
    let failures = 0
    for (let occurrence = 1; ; occurrence += EVERY) {
      restore(computer)
      const paths = onState ? pathsIn(computer.home, 'migration_state.journal') : []
      const effect = `error=${code}`
      const injection = { call, occurrence, effect, paths, env: computer.env, trace }
      const ended = await runInjected('telec-migrate', [], injection)
      if (!readFileSync(trace, 'utf8').includes('(INJECTED)')) break // fewer calls than that
      const where = `${call} ${occurrence}: ${ended.stderr}`
      if (ended.code === 0)
        // What telec can do without.
        expect(computer.state('migration_state.json'), where).toMatchObject({ applied: IDS })
      else {
        failures += 1
        const isTransient = code === 'ENOSPC' || code === 'EMFILE'
        expectFailure(ended, isTransient ? 75 : 1, [code])
      }
      const again = await computer.telec('telec-migrate')
      expect(again, `after ${where}, then ${again.stderr}`).toMatchObject({ code: 0 })
      expect(computer.state('migration_state.json')).toMatchObject({ baseline: '1.0.0', applied: IDS })
      for (const id of IDS) expect(timesRun(computer, id), where).toBe(1)
    }
    expect(failures).toBeGreaterThan(0)
  },
  SWEEP_TIMEOUT_MS,
)

/** Applied by others before: the record takes several pages of the disk. */
const EARLIER = Array.from({ length: 300 }, (_, index) => `1.0.${index}/001_an_earlier_one.js`)

test('with any number of pages left on a full disk the record is the old one or the new one', async () => {
  const small = await freshComputer()
  const mine = ['1.1.0/001_a.mjs', '1.1.0/002_b.mjs']
  // They write nothing to the full disk: the record fails.
  for (const id of mine)
    place(
      small,
      `migrations/v${id}`,
      'let done = false\nexport const check = () => done\nexport const migrate = () => (done = true)\n',
    )
  const record = { schema: 1, baseline: '1.0.0', applied: EARLIER, details: {} }
  small.writeState('migration_state.json', JSON.stringify(record))
  await small.telec('telec-migrate', ['--to', '1.0.0']) // all that is written besides is there
  const aside = join(small.folder, 'aside')
  await succeed('cp', ['-a', small.home, aside])
  await succeed('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'telec-test', small.home])
  onTestFinished(async () => void (await execute('umount', ['-l', small.home])))
  const codes: (number | null)[] = []
  const filler = join(small.home, 'filler')
  for (let pages = 0; codes.at(-1) !== 0; pages += 1) {
    await succeed('sh', ['-c', 'rm -rf "$1"/* && cp -a "$2"/. "$1"', 'sh', small.home, aside])
    const { bavail, bsize } = statfsSync(small.home)
    writeFileSync(filler, Buffer.alloc((bavail - pages) * bsize))
    const ended = await small.telec('telec-migrate')
    codes.push(ended.code)
    const { applied } = small.state('migration_state.json') as { applied: string[] }
    if (ended.code === 0) expect(applied).toEqual([...EARLIER, ...mine])
    else {
      expectFailure(ended, 75, ['ENOSPC', 'df -h'])
      expect(applied).toEqual(EARLIER)
    }
    rmSync(filler)
    const again = await small.telec('telec-migrate')
    expect(again, `after ${pages} pages: ${again.stderr}`).toMatchObject({ code: 0 })
    const state = small.state('migration_state.json') as { applied: string[] }
    expect(state.applied).toEqual([...EARLIER, ...mine])
  }
  expect(codes.length).toBeGreaterThan(4)
}, 60_000)
