import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { type DisturbedPrograms, disturbPrograms, type ProgramCall } from '../helpers/disturbed-programs.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { restore, snapshot } from '../helpers/snapshot.ts'
import { createTally, isWhole, locksBelow, SWEEP_TIMEOUT_MS, sampled } from '../helpers/sweeps.ts'
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

test(
  'what an update starts, killed at any call that changes something, is gone on from',
  async () => {
    const { computer, goesOn } = sweep
    const tally = createTally('kills of what an update started')
    for (const cut of sampled(calls, 8)) {
      restore(computer)
      const { ended, isInjected } = await programs.update(cut, 'signal=SIGKILL')
      const where = `${cut.program} (${cut.start}) killed at ${cut.call} ${cut.occurrence}: ${ended.stderr}`
      expect(isInjected, `not reached: ${where}`).toBe(true)
      // telec takes a killed install command for a failed one; other killed programs are retried.
      expectDesigned(ended, cut.program === 'sh' ? [42, 75, 1] : [42, 75], where)
      expectReadable(computer, where)
      tally.add(`${cut.program} ${cut.call}`, `exit code ${ended.code}`)
      await goesOn(where, ['--retry'])
    }
    expect(tally.total()).toBeGreaterThan(isWhole ? 60 : 6)
  },
  SWEEP_TIMEOUT_MS,
)

test(
  'git killed while local changes are put aside: they are all there, and the update goes on',
  async () => {
    const computer = await freshComputer()
    await computer.push({ 'notes.txt': 'as committed\n', 'staged.txt': 'as committed\n' })
    await computer.telec('telec-watch')
    await computer.telec('telec-update')
    const local = { 'notes.txt': 'changed by hand\n', 'staged.txt': 'staged by hand\n', 'new.txt': 'mine\n' }
    for (const [name, text] of Object.entries(local)) writeFileSync(join(computer.checkout, name), text)
    await computer.gitInCheckout('add', 'staged.txt')
    const theirs = { 'notes.txt': 'theirs\n', 'staged.txt': 'theirs\n', 'new.txt': 'theirs\n' }
    const commit = await computer.push({ ...version('1.1.0'), ...theirs })
    await computer.telec('telec-watch')
    snapshot(computer)
    const stashing = await disturbPrograms(computer, ['--stash'])
    const tally = createTally('kills of git while it puts local changes aside')
    for (const cut of sampled(await stashing.record(), 8)) {
      restore(computer)
      const { ended, isInjected } = await stashing.update(cut, 'signal=SIGKILL')
      const where = `${cut.program} (${cut.start}) killed at ${cut.call} ${cut.occurrence}: ${ended.stderr}`
      expect(isInjected, `not reached: ${where}`).toBe(true)
      expectDesigned(ended, [42, 75], where)
      tally.add(`${cut.program} ${cut.call}`, `exit code ${ended.code}`)
      const again = await computer.telec('telec-update', ['--retry', '--stash'])
      expect([0, 42], `${where}\nthen: ${again.stderr}`).toContain(again.code)
      expect(await computer.gitInCheckout('rev-parse', 'HEAD'), where).toBe(commit)
      expect(await computer.gitInCheckout('status', '--porcelain'), where).toBe('')
      expect(locksBelow(join(computer.checkout, '.git')), where).toEqual([])
      const kept = await computer.gitInCheckout(
        'for-each-ref',
        '--format=%(refname)',
        'refs/telec/stash',
        'refs/telec/rescued',
      )
      for (const [name, text] of Object.entries(local)) {
        const texts = kept
          .split('\n')
          .map((ref) => computer.gitInCheckout('show', `${ref}:${name}`).catch(() => ''))
        expect(await Promise.all(texts), `${name} ${where}\nthen: ${again.stderr}`).toContain(text.trim())
      }
    }
    expect(tally.total()).toBeGreaterThan(6)
  },
  SWEEP_TIMEOUT_MS,
)
