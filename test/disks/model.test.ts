import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Computer, makeComputer, version } from '../helpers/computer.ts'
import { type CrashState, crashStates, type Files, worstOf } from '../helpers/crash-states.ts'
import { recordFiles } from '../helpers/file-calls.ts'
import { place } from '../helpers/migrations.ts'
import { type End, endOf, expectTrue, IDS, migration, signalled } from '../helpers/power-cut.ts'
import type { ProgramName } from '../helpers/programs.ts'
import { readFiles, writeFiles } from '../helpers/snapshot.ts'
import { createTally, isWhole, SWEEP_TIMEOUT_MS, sampled } from '../helpers/sweeps.ts'
import { readTree } from '../helpers/tree.ts'
import { watchAndUpdate } from '../helpers/update.ts'

/** Runs a bundle, and derives from its calls every state that a crash can leave, and the state that is safe after its exit. */
async function record(computer: Computer, program: ProgramName, code: number) {
  const before = readFiles(computer)
  const { calls, ...ended } = await recordFiles(computer, program)
  expect(ended, ended.stderr).toMatchObject({ code })
  const { states, end, synced } = crashStates(before, calls)
  expect(plain(end), 'the model is wrong').toEqual(plain(readFiles(computer)))
  return { states, onDisk: (name: string) => synced.get(`home/${name}`)?.synced ?? '{}' }
}

const plain = (files: Files) =>
  Object.fromEntries([...files].map(([name, { kind, mode, text }]) => [name, { kind, mode, text }]))

async function sweep(
  what: string,
  states: readonly CrashState[],
  goesOn: (state: CrashState) => Promise<void>,
) {
  const tally = createTally(`${what}: of ${states.length} different states after a crash`)
  for (const state of isWhole ? states : [...worstOf(states), ...sampled(states, 4)]) {
    await goesOn(state)
    tally.add(state.loss, 'gone on from')
  }
}

describe('an update', () => {
  let computer: Computer
  let states: readonly CrashState[]
  let end: End
  let next: End['files']

  const offer = (commit: string) => computer.git('push', '--quiet', '--force', 'origin', `${commit}:main`)

  beforeAll(async () => {
    computer = await signalled()
    // git then knows a file that it wrote by its size and its second, as those of a copy have other numbers.
    await computer.gitInCheckout('config', 'core.checkStat', 'minimal')
    await computer.gitInCheckout('config', 'core.trustctime', 'false')
    const recorded = await record(computer, 'telec-update', 42)
    states = recorded.states
    expect(JSON.parse(recorded.onDisk('update_state.json'))).toMatchObject({ deployed: { version: '1.1.0' } })
    expect(JSON.parse(recorded.onDisk('update_signal.json'))).toEqual({})
    end = await endOf(computer)
    await computer.push({ ...version('1.2.0'), 'src/0.js': 'newest\n' })
    expect(await watchAndUpdate(computer)).toMatchObject({ code: 42 })
    next = readTree(computer.checkout)
    await offer('HEAD~1')
  })
  afterAll(() => computer?.dispose())

  test(
    'is gone on with from all that a crash can leave of it, and the next one goes through',
    () =>
      sweep('an update', states, async ({ where, files }) => {
        writeFiles(computer, files)
        expectTrue(computer, end, where)
        expect(await computer.telec('telec-watch'), where).toMatchObject({ code: 0 })
        const again = await computer.telec('telec-update')
        const then = `${where}\nthen: ${again.stderr}`
        expect([0, 42], then).toContain(again.code)
        expect(await endOf(computer), then).toEqual(end)
        expectTrue(computer, end, then)
        expect(await computer.gitInCheckout('fsck', '--no-dangling', '--no-progress'), then).toBe('')
        await offer('HEAD')
        expect(await watchAndUpdate(computer), then).toMatchObject({ code: 42 })
        expect(readTree(computer.checkout), then).toEqual(next)
        await offer('HEAD~1')
      }),
    SWEEP_TIMEOUT_MS,
  )
})

describe('a run of migrations', () => {
  let computer: Computer
  let states: readonly CrashState[]

  beforeAll(async () => {
    computer = await makeComputer()
    for (const id of IDS) place(computer, `migrations/v${id}`, migration(id.split('/')[1] ?? ''))
    const recorded = await record(computer, 'telec-migrate', 0)
    states = recorded.states
    expect(JSON.parse(recorded.onDisk('migration_state.json'))).toMatchObject({ applied: IDS })
  })
  afterAll(() => computer?.dispose())

  test(
    'is gone on with from all that a crash can leave of it',
    () =>
      sweep('a run of migrations', states, async ({ where, files }) => {
        writeFiles(computer, files)
        expectTrue(computer, null, where)
        const again = await computer.telec('telec-migrate')
        expect(again, where).toMatchObject({ code: 0 })
        expect(computer.state('migration_state.json'), where).toMatchObject({ applied: IDS })
        for (const id of IDS)
          expect(readFileSync(join(computer.home, `${id.split('/')[1]}.marker`), 'utf8'), where).toBe('ran\n')
      }),
    SWEEP_TIMEOUT_MS,
  )
})
