import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { disturbPrograms } from '../helpers/disturbed-programs.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { execute, succeed } from '../helpers/programs.ts'
import { restore } from '../helpers/snapshot.ts'
import { type Call, callsOf, pathsIn, runInjected } from '../helpers/strace.ts'
import { createTally, isWhole, SWEEP_TIMEOUT_MS, sampled } from '../helpers/sweeps.ts'
import { readTree } from '../helpers/tree.ts'
import {
  expectDesigned,
  expectReadable,
  injectedBelow,
  makeSweep,
  type Sweep,
} from '../helpers/update-sweep.ts'

/** What a disk answers that is full, broken, read-only, or not at leisure; EMFILE is the process's own limit. */
const FAULTS = ['ENOSPC', 'EIO', 'EROFS', 'EMFILE', 'EINTR']
/** They pass on their own. */
const TRANSIENT = ['ENOSPC', 'EMFILE', 'EINTR']
const STARTS = ['clone', 'clone3', 'fork', 'vfork', 'execve']

/** Each call once, with the faults in turn. */
function withFaults<Item extends Call>(calls: readonly Item[]) {
  return calls
    .filter(({ call }) => !STARTS.includes(call))
    .map((cut, index) => ({ ...cut, fault: FAULTS[index % FAULTS.length] ?? '' }))
}

describe('where a call fails that changes something', () => {
  let sweep: Sweep

  beforeAll(async () => {
    sweep = await makeSweep()
  })
  afterAll(() => sweep?.computer.dispose())

  test(
    'telec-update halts, or does without, and goes on when the disk works again',
    async () => {
      const { computer, goesOn } = sweep
      const trace = join(computer.folder, 'trace')
      const tally = createTally('failed calls of telec-update')
      restore(computer)
      const own = { trace, folder: computer.home, reads: true }
      const calls = (await callsOf('telec-update', [], computer.env, own)).filter(
        ({ call }) => call !== 'write',
      )
      const writes: Call[] = [1, 2].map((occurrence) => ({ call: 'write', occurrence }))
      for (const { call, occurrence, path, fault } of sampled(withFaults([...calls, ...writes]), 8)) {
        restore(computer)
        const ofWrites = pathsIn(computer.home, 'telec.lock', 'migration_state.journal')
        const paths = call === 'write' ? ofWrites : path ? [path] : []
        const effect = `error=${fault}`
        const own = { env: computer.env, trace, alone: true, apart: true }
        const injection = { call, occurrence, effect, paths, ...own }
        const ended = await runInjected('telec-update', [], injection)
        const where = `${fault} at ${call} ${occurrence}: ${ended.stderr}`
        expect(injectedBelow(computer.folder, trace), `not reached: ${where}`).not.toBeNull()
        expectDesigned(ended, TRANSIENT.includes(fault) ? [42, 75] : [42, 75, 1], where)
        expectReadable(computer, where)
        expect(await computer.telec('telec', ['status']), where).toMatchObject({ code: 0 })
        tally.add(`${call} ${fault}`, `exit code ${ended.code}`)
        await goesOn(where, ['--retry'])
      }
      expect(tally.total()).toBeGreaterThan(isWhole ? 100 : 6)
    },
    SWEEP_TIMEOUT_MS,
  )

  test(
    'so does what it starts',
    async () => {
      const { computer, goesOn } = sweep
      const tally = createTally('failed calls of what an update started')
      const programs = await disturbPrograms(computer)
      restore(computer)
      // A lock that git cannot remove stays, until an update finds it in its way, and takes it away at its next try.
      const calls = (await programs.record()).filter(({ call }) => call !== 'unlink')
      for (const cut of sampled(withFaults(calls), 6)) {
        restore(computer)
        const { ended, isInjected } = await programs.update(cut, `error=${cut.fault}`)
        const where = `${cut.fault} at ${cut.call} ${cut.occurrence} of ${cut.program} (${cut.start}): ${ended.stderr}`
        expect(isInjected, `not reached: ${where}`).toBe(true)
        expectDesigned(ended, [42, 75, 1], where)
        expectReadable(computer, where)
        tally.add(`${cut.program} ${cut.call} ${cut.fault}`, `exit code ${ended.code}`)
        await goesOn(where, ['--retry'])
      }
      expect(tally.total()).toBeGreaterThan(isWhole ? 60 : 5)
    },
    SWEEP_TIMEOUT_MS,
  )

  test(
    'telec-watch says so, and the next poll signals',
    async () => {
      const { computer } = sweep
      const trace = join(computer.folder, 'trace')
      const tally = createTally('failed calls of telec-watch')
      const forget = () => {
        restore(computer)
        for (const name of [
          'update_signal.json',
          'watch_state.json',
          'update_state.json',
          'migration_state.json',
        ])
          rmSync(join(computer.home, name), { force: true })
      }
      restore(computer)
      const target = computer.state('update_signal.json')?.target
      await computer.gitInCheckout('reset', '--quiet', '--hard')
      forget()
      const own = { trace, folder: computer.home, reads: true }
      const calls = (await callsOf('telec-watch', [], computer.env, own)).filter(
        ({ call }) => call !== 'write',
      )
      for (const { call, occurrence, path, fault } of sampled(withFaults(calls), 5)) {
        forget()
        const effect = `error=${fault}`
        const own = { env: computer.env, trace, alone: true, apart: true }
        const injection = { call, occurrence, effect, paths: path ? [path] : [], ...own }
        const ended = await runInjected('telec-watch', [], injection)
        const where = `${fault} at ${call} ${occurrence}: ${ended.stderr}`
        expect(injectedBelow(computer.folder, trace), `not reached: ${where}`).not.toBeNull()
        expectDesigned(ended, TRANSIENT.includes(fault) ? [0, 75] : [0, 75, 1], where)
        expectReadable(computer, where)
        tally.add(`${call} ${fault}`, `exit code ${ended.code}`)
        expect(await computer.telec('telec-watch'), where).toMatchObject({ code: 0 })
        expect(computer.state('update_signal.json'), where).toMatchObject({ target })
      }
      expect(tally.total()).toBeGreaterThan(isWhole ? 30 : 4)
    },
    SWEEP_TIMEOUT_MS,
  )
})

test('root in a sandbox, which may not call chown(2), writes its state all the same', async () => {
  const computer = await freshComputer()
  await computer.telec('telec-watch')
  const before = computer.state('watch_state.json')
  const target = { commit: await computer.push(version('1.1.0')) }
  const trace = join(computer.folder, 'trace')
  const forbidden = {
    call: 'chown',
    occurrence: 1,
    effect: 'error=EPERM',
    paths: [],
    env: computer.env,
    trace,
  }
  expect(await runInjected('telec-watch', [], forbidden)).toMatchObject({ code: 0 })
  expect(readFileSync(trace, 'utf8')).toMatch(/watch_state\.json.*INJECTED/)
  expect(computer.state('watch_state.json')).not.toEqual(before)
  expect(computer.state('watch_state.json')).toMatchObject({ target })
  expect(readdirSync(computer.home).filter((name) => /\.\d+$/.test(name))).toEqual([])
})

/** Puts a folder of a computer on a file system of its own, of that size; `resize` makes it larger. */
async function ownDisk(computer: Computer, folder: string, size: string) {
  const aside = join(computer.folder, 'aside')
  await succeed('cp', ['-a', folder, aside])
  await succeed('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'telec-test', folder])
  onTestFinished(async () => void (await execute('umount', ['-l', folder])))
  await succeed('cp', ['-a', `${aside}/.`, folder])
  return (option: string) => succeed('mount', ['-o', `remount,${option}`, folder])
}

describe('a disk that takes nothing more:', () => {
  test('with any number of pages left of telec’s own, an update halts or ends, and no state is cut short', async () => {
    const computer = await freshComputer()
    const commit = await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    const head = await computer.gitInCheckout('rev-parse', 'HEAD')
    const aside = join(computer.folder, 'before')
    await succeed('cp', ['-a', computer.home, aside])
    await ownDisk(computer, computer.home, '256k')
    const filler = join(computer.home, 'filler')
    const codes: (number | null)[] = []
    for (let pages = 0; codes.at(-1) !== 42; pages += isWhole ? 1 : 2) {
      await succeed('sh', ['-c', 'rm -rf "$1"/* && cp -a "$2"/. "$1"', 'sh', computer.home, aside])
      await computer.gitInCheckout('reset', '--quiet', '--hard', head)
      const { bavail, bsize } = statfsSync(computer.home)
      writeFileSync(filler, Buffer.alloc((bavail - pages) * bsize))
      const ended = await computer.telec('telec-update')
      codes.push(ended.code)
      expectDesigned(ended, [42, 75], `with ${pages} pages: ${ended.stderr}`)
      expectReadable(computer, `with ${pages} pages`)
      const { deployed } = computer.state('update_state.json') ?? {}
      if (ended.stderr.includes('1.1.0 is deployed')) expect(deployed).toMatchObject({ commit })
      rmSync(filler)
      const again = await computer.telec('telec-update', ['--retry'])
      expect([0, 42], again.stderr).toContain(again.code)
      expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit }, halted: null })
    }
    expect(codes.length).toBeGreaterThan(2)
  })

  test('the checkout’s fills up on the way: HEAD stays, and with more room the update continues', async () => {
    const computer = await freshComputer()
    const head = await computer.gitInCheckout('rev-parse', 'HEAD')
    const grow = await ownDisk(computer, computer.checkout, '90m')
    writeFileSync(join(computer.folder, 'work', 'large'), Buffer.alloc(100 * 1024 * 1024, 'telec ')) // small until it is checked out
    const commit = await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    expectFailure(await computer.telec('telec-update'), 75, ['is full', 'unable to write file large'])
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(head)
    expectFailure(await computer.telec('telec-update', ['--retry']), 75, [
      'is full',
      'an update needs 64 MiB and 1000 files',
      'df -h',
    ])
    await grow('size=200m')
    expect(await computer.telec('telec-update', ['--retry'])).toMatchObject({ code: 42 })
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
    expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
  })

  test('what the remote sends does not fit: nothing of it stays, and with more room the update continues', async () => {
    const computer = await freshComputer()
    const grow = await ownDisk(computer, computer.checkout, '90m')
    writeFileSync(join(computer.folder, 'work', 'large'), randomBytes(36 * 1024 * 1024))
    await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    expectFailure(await computer.telec('telec-update'), 75, ['does not fit on the disk', 'df -h'])
    const objects = Object.keys(readTree(join(computer.checkout, '.git/objects')))
    expect(objects.filter((name) => name.includes('tmp_'))).toEqual([])
    await grow('size=200m')
    expect(await computer.telec('telec-update', ['--retry'])).toMatchObject({ code: 42 })
  })

  test('read-only, each of the two', async () => {
    const computer = await freshComputer()
    const commit = await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    const before = readFileSync(join(computer.home, 'update_state.json'), 'utf8')
    const home = await ownDisk(computer, computer.home, '1m')
    await home('ro')
    expectFailure(await computer.telec('telec-update'), 1, ['telec.lock', 'read-only'])
    await computer.push(version('1.1.1'))
    expectFailure(await computer.telec('telec-watch'), 1, ['update_signal.json', 'read-only'])
    await home('rw')
    rmSync(join(computer.folder, 'aside'), { recursive: true })
    const checkout = await ownDisk(computer, computer.checkout, '100m')
    await checkout('ro')
    const ended = await computer.telec('telec-update')
    expect([1, 75], ended.stderr).toContain(ended.code)
    expect(ended.stderr).toMatch(/Read-only file system/i)
    expect(readFileSync(join(computer.home, 'update_state.json'), 'utf8')).not.toBe(before) // it is recorded
    await checkout('rw')
    expect(await computer.telec('telec-update', ['--retry'])).toMatchObject({ code: 42 })
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit }, halted: null })
  })

  test('not there', async () => {
    const computer = await freshComputer()
    const commit = await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    const aside = `${computer.checkout}.aside`
    await succeed('mv', [computer.checkout, aside])
    for (const program of ['telec-update', 'telec-watch'] as const)
      expectFailure(await computer.telec(program), 78, [computer.checkout, 'is not a folder'])
    mkdirSync(computer.checkout) // where it is to be mounted
    expectFailure(await computer.telec('telec-update'), 78, ['is not a git work tree'])
    rmSync(computer.checkout, { recursive: true })
    await succeed('mv', [aside, computer.checkout])
    expect(await computer.telec('telec-update')).toMatchObject({ code: 42 })
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit }, halted: null })
  })
})
