import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { restore } from '../helpers/snapshot.ts'
import { type Call, callsOf, pathsIn, runInjected } from '../helpers/strace.ts'
import { createTally, isWhole, SWEEP_TIMEOUT_MS, sampled } from '../helpers/sweeps.ts'
import { makeSweep, type Sweep } from '../helpers/update-sweep.ts'

/** telec-update is killed as it begins a system call of its own that changes something, and is started again. */
let sweep: Sweep

beforeAll(async () => {
  sweep = await makeSweep()
})
afterAll(() => sweep?.computer.dispose())

test(
  'telec-update, killed at any call that changes something, ends as if it had not been',
  async () => {
    const { computer, goesOn } = sweep
    const trace = join(computer.folder, 'trace')
    const tally = createTally('kills of telec-update')
    restore(computer)
    const calls = await callsOf('telec-update', [], computer.env, { trace, folder: computer.folder })
    // Most writes of Node are to wake its own threads; those to a file whose name is known are told from them.
    const named = ({ call, path }: Call) =>
      call === 'write' ? pathsIn(computer.home, 'telec.lock', 'migration_state.journal') : path ? [path] : []
    const byName = (call: string) => calls.filter((one) => one.call === call).length
    expect(byName('rename')).toBeGreaterThan(8)
    const writes: Call[] = [1, 2].map((occurrence) => ({ call: 'write', occurrence }))
    // A process killed at execve is no longer telec-update: see programs.test.ts.
    const others = calls.filter(({ call }) => call !== 'write' && call !== 'execve')
    for (const cut of sampled([...others, ...writes], 10)) {
      const { call, occurrence } = cut
      restore(computer)
      const paths = named(cut)
      const killed = await runInjected('telec-update', [], {
        call,
        occurrence,
        paths,
        env: computer.env,
        alone: true,
        apart: true,
      })
      const where = `killed at ${call} ${occurrence}: ${killed.stderr}`
      expect(killed.signal, where).toBe('SIGKILL')
      await goesOn(where)
      tally.add(call, 'gone on from')
    }
    expect(tally.total()).toBeGreaterThan(isWhole ? 70 : 8)
  },
  SWEEP_TIMEOUT_MS,
)
