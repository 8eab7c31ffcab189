import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Computer } from '../helpers/computer.ts'
import { type Disk, type DiskKind, putOnDisk } from '../helpers/disk.ts'
import { type DisturbedPrograms, disturbPrograms } from '../helpers/disturbed-programs.ts'
import { type End, endOf, expectTrue, signalled } from '../helpers/power-cut.ts'
import { succeed } from '../helpers/programs.ts'
import { type Call, callsOf, pathsIn, runInjected } from '../helpers/strace.ts'
import { createTally, isWhole, SWEEP_TIMEOUT_MS, sampled } from '../helpers/sweeps.ts'

describe.each<DiskKind>(['ext4', 'xfs', 'btrfs'])('on %s, cut off its power', (kind) => {
  let computer: Computer
  let disk: Disk
  let end: End
  let programs: DisturbedPrograms

  beforeAll(async () => {
    computer = await signalled()
    disk = await putOnDisk(computer, kind)
    programs = await disturbPrograms(computer)
    await disk.restore()
    expect(await computer.telec('telec-update')).toMatchObject({ code: 42 })
    end = await endOf(computer)
    expect(end.state.markers).toEqual(['ran\n', 'ran\n'])
  })
  afterAll(async () => {
    await disk?.dispose()
    computer?.dispose()
  })

  /** The computer starts again; the records are true, and telec continues to the end of an undisturbed update. */
  async function goesOn(where: string): Promise<string> {
    const isCut = await disk.boot()
    expectTrue(computer, end, where)
    expect(await computer.telec('telec-watch'), where).toMatchObject({ code: 0 })
    const again = await computer.telec('telec-update')
    expect([0, 42], `${where}\nthen: ${again.stderr}`).toContain(again.code)
    expect(await endOf(computer), `${where}\nthen: ${again.stderr}`).toEqual(end)
    expect(await computer.gitInCheckout('fsck', '--no-dangling', '--no-progress'), where).toBe('')
    expect(await computer.telec('telec-update'), where).toMatchObject({ code: 0 })
    return isCut ? 'gone on from' : 'nothing lost, gone on from'
  }

  test(
    'at any call of telec-update that changes something, it goes on',
    async () => {
      const tally = createTally(`power cuts on ${kind}, at calls of telec-update`)
      const trace = join(computer.folder, 'trace')
      await disk.restore()
      const calls = await callsOf('telec-update', [], computer.env, { trace, folder: computer.folder })
      const writes: Call[] = [1, 2].map((occurrence) => ({ call: 'write', occurrence }))
      const others = calls.filter(({ call }) => call !== 'write' && call !== 'execve')
      // An open file is the same state as the one before the next call.
      const chosen = isWhole ? others : others.filter(({ call }) => call !== 'openat')
      for (const { call, occurrence, path } of sampled([...chosen, ...writes], 4)) {
        await disk.restore()
        const ofWrites = () => pathsIn(computer.home, 'telec.lock', 'migration_state.journal')
        const paths = call === 'write' ? ofWrites() : path ? [path] : []
        const injection = { call, occurrence, paths, env: computer.env, alone: true, apart: true }
        const killed = await runInjected('telec-update', [], injection)
        await succeed(disk.cutCommand, [])
        const where = `cut at ${call} ${occurrence} ${path ?? ''}: ${killed.stderr}`
        expect(killed.signal, where).toBe('SIGKILL')
        tally.add(call, await goesOn(where))
      }
      expect(tally.total()).toBeGreaterThan(isWhole ? 70 : 2)
    },
    SWEEP_TIMEOUT_MS,
  )

  if (kind === 'btrfs') return // it is cut by a copy of its device, during which nothing may run

  test(
    'at any call of what an update starts, it goes on',
    async () => {
      const tally = createTally(`power cuts on ${kind}, at calls of what telec-update starts`)
      await disk.restore()
      for (const cut of sampled(await programs.record(), 4)) {
        await disk.restore()
        const { ended, isInjected } = await programs.update(cut, 'signal=SIGKILL', disk.cutCommand)
        const where = `cut at ${cut.call} ${cut.occurrence} of ${cut.program} (${cut.start}): ${ended.stderr}`
        expect(isInjected, `not reached: ${where}`).toBe(true)
        await goesOn(where)
        tally.add(`${cut.program} ${cut.call}`, 'gone on from')
      }
      expect(tally.total()).toBeGreaterThan(isWhole ? 60 : 2)
    },
    SWEEP_TIMEOUT_MS,
  )
})
