import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DisturbedPrograms, disturbPrograms, type ProgramCall } from '../helpers/disturbed-programs.ts'
import { restore } from '../helpers/snapshot.ts'
import { createTally, isWhole, sampled } from '../helpers/sweeps.ts'
import { expectDesigned, expectReadable, makeSweep, type Sweep } from '../helpers/update-sweep.ts'

/** git, sync, flock and the install command are killed, or their calls fail, while telec-update lives on. */
let sweep: Sweep
let programs: DisturbedPrograms
let calls: readonly ProgramCall[]

beforeAll(async () => {
  sweep = await makeSweep()
  programs = await disturbPrograms(sweep.computer)
  restore(sweep.computer)
  calls = await programs.record()
})
afterAll(() => sweep?.computer.dispose())

test('what an update starts, killed at any call that changes something, is gone on from', async () => {
  const { computer, goesOn } = sweep
  const tally = createTally('kills of what an update started')
  for (const cut of sampled(calls, 8)) {
    restore(computer)
    const { ended, isInjected } = await programs.update(cut, 'signal=SIGKILL')
    const where = `${cut.program} (${cut.start}) killed at ${cut.call} ${cut.occurrence}: ${ended.stderr}`
    // An install command that was killed has failed, for all that telec knows; what else is killed is tried again.
    expectDesigned(ended, cut.program === 'sh' ? [42, 75, 1] : [42, 75], where)
    expectReadable(computer, where)
    tally.add(`${cut.program} ${cut.call}`, isInjected ? `exit code ${ended.code}` : 'not reached')
    await goesOn(where, ['--retry'])
  }
  tally.print()
  expect(tally.total()).toBeGreaterThan(isWhole ? 60 : 6)
}, 1_800_000)
