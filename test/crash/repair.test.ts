import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Computer, makeComputer, version } from '../helpers/computer.ts'
import { disturbPrograms } from '../helpers/disturbed-programs.ts'
import { restore, snapshot } from '../helpers/snapshot.ts'
import { callsOf, runInjected } from '../helpers/strace.ts'
import { createTally, isWhole, locksBelow, SWEEP_TIMEOUT_MS, sampled } from '../helpers/sweeps.ts'
import { readTree } from '../helpers/tree.ts'
import { watchAndUpdate } from '../helpers/update.ts'

/** telec repair --yes is killed, or what it starts, where all kinds of damage have come together; it is done again. */
let computer: Computer
let undisturbed: unknown

const ARGS = ['repair', '--yes']
const inGit = (...names: readonly string[]) => join(computer.checkout, '.git', ...names)

beforeAll(async () => {
  computer = await makeComputer()
  await computer.push({ ...version('1.1.0'), 'a.txt': 'a\n' })
  expect((await watchAndUpdate(computer)).code).toBe(42)
  // What nobody else has: a commit on a branch, in the pack that breaks, and staged changes.
  await computer.gitInCheckout('checkout', '--quiet', '-b', 'mine')
  writeFileSync(join(computer.checkout, 'mine.txt'), 'mine\n')
  await computer.gitInCheckout('add', 'mine.txt')
  await computer.gitInCheckout('commit', '--quiet', '--message', 'mine')
  await computer.gitInCheckout('checkout', '--quiet', 'main')
  await computer.gitInCheckout('gc', '--quiet')
  writeFileSync(join(computer.checkout, 'a.txt'), 'changed by hand\n')
  breakAll()
  snapshot(computer)
  const ended = await computer.telec('telec', ARGS)
  expect(ended, ended.stdout + ended.stderr).toMatchObject({ code: 0 })
  undisturbed = await endState()
})
afterAll(() => computer?.dispose())

function breakAll(): void {
  const [pack = ''] = readdirSync(inGit('objects/pack')).filter((name) => name.endsWith('.idx'))
  for (const path of [inGit('objects/pack', pack), inGit('index'), inGit('HEAD')]) {
    chmodSync(path, 0o644)
    writeFileSync(path, Buffer.alloc(readFileSync(path).length))
  }
  writeFileSync(inGit('packed-refs'), `${readFileSync(inGit('packed-refs'), 'utf8')}\0\0\0`)
  writeFileSync(inGit('refs/heads/main.lock'), '')
  writeFileSync(inGit('refs/remotes/origin/other'), '')
}

/** All but where copies are kept, and how git packs what it has. */
async function endState() {
  const { '.git': _, ...files } = readTree(computer.checkout)
  return {
    files,
    head: await computer.gitInCheckout('symbolic-ref', 'HEAD'),
    refs: await computer.gitInCheckout('for-each-ref'),
    changes: await computer.gitInCheckout('status', '--porcelain'),
    mine: await computer.gitInCheckout('show', 'mine:mine.txt'),
    config: readFileSync(inGit('config'), 'utf8'),
    locks: locksBelow(inGit()).filter((path) => !path.includes('telec-aside')),
    checked: await computer.gitInCheckout('fsck', '--full', '--no-dangling'),
  }
}

async function repairs(where: string): Promise<void> {
  const again = await computer.telec('telec', ARGS)
  expect(again, `${where}\nthen: ${again.stdout}${again.stderr}`).toMatchObject({ code: 0 })
  expect(await endState(), `${where}\nthen: ${again.stdout}${again.stderr}`).toEqual(undisturbed)
  const idle = await computer.telec('telec', ARGS)
  expect(idle, where).toMatchObject({ code: 0, stdout: 'nothing to repair\n' })
}

test(
  'what a repair starts, killed at any call that changes something: it ends as it would have, done again',
  async () => {
    restore(computer)
    const programs = ['git', 'sync', 'flock', 'xargs', 'mkdir', 'cp']
    const disturbed = await disturbPrograms(computer, [], { command: ['telec', ...ARGS], ends: 0, programs })
    const tally = createTally('kills of what a repair started')
    for (const cut of sampled(await disturbed.record(), 2)) {
      restore(computer)
      const { ended, isInjected } = await disturbed.update(cut, 'signal=SIGKILL')
      const where = `${cut.program} (${cut.start}) killed at ${cut.call} ${cut.occurrence}: ${ended.stdout}${ended.stderr}`
      expect(isInjected, `not reached: ${where}`).toBe(true)
      expect([0, 1, 75], where).toContain(ended.code)
      expect(ended.stderr, where).not.toContain('a bug in telec')
      tally.add(`${cut.program} ${cut.call}`, `exit code ${ended.code}`)
      await repairs(where)
    }
    expect(tally.total()).toBeGreaterThan(isWhole ? 60 : 1)
  },
  SWEEP_TIMEOUT_MS,
)

test(
  'a repair that is killed at any call of its own, done again, ends in the same state',
  async () => {
    restore(computer)
    const trace = join(computer.folder, 'trace')
    const calls = await callsOf('telec', ARGS, computer.env, { trace, folder: computer.folder })
    const tally = createTally('kills of a repair')
    for (const { call, occurrence, path } of sampled(calls, 2)) {
      restore(computer)
      const paths = path ? [path] : []
      const injection = { call, occurrence, paths, env: computer.env, alone: true, apart: true }
      const ended = await runInjected('telec', ARGS, injection)
      const where = `killed at ${call} ${occurrence}: ${ended.stdout}${ended.stderr}`
      tally.add(call, ended.signal ?? `exit code ${ended.code}`)
      await repairs(where)
    }
    expect(tally.total()).toBeGreaterThan(1)
  },
  SWEEP_TIMEOUT_MS,
)
