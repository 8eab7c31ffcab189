import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Computer, makeComputer, version } from '../helpers/computer.ts'
import type { Ended } from '../helpers/programs.ts'
import { restore, snapshot } from '../helpers/snapshot.ts'
import { runInjected } from '../helpers/strace.ts'

/** Where git takes its locks, replaces files of the work tree, and moves HEAD. */
const PATHS = [
  'package.json',
  'new.txt',
  '.git/index',
  '.git/index.lock',
  '.git/HEAD.lock',
  '.git/refs/heads/main.lock',
]
const CALLS = ['openat', 'unlink', 'rename']
const LOCAL = 'changed by hand\n'

let computer: Computer
let commit: string

beforeAll(async () => {
  computer = await makeComputer({ init: false })
  await computer.push({ 'notes.txt': 'as committed\n' })
  await computer.gitInCheckout('pull', '--quiet')
  await computer.telec('telec', ['init', '--checkout', computer.checkout])
  writeFileSync(join(computer.checkout, 'notes.txt'), LOCAL)
  commit = await computer.push({ ...version('1.1.0'), 'new.txt': 'new\n' })
  await computer.telec('telec-watch')
  snapshot(computer)
})
afterAll(() => computer.dispose())

/** Kills the process that makes the n-th such call on one of the paths: that is git, or telec as it looks at the index. */
function updateWithGitKilled(call: string, occurrence: number): Promise<Ended> {
  const paths = PATHS.map((path) => join(computer.checkout, path))
  return runInjected('telec-update', [], { call, occurrence, paths, env: computer.env })
}

test.each(CALLS)(
  'git killed at any %s of its own is gone on from, and no local change is lost',
  async (call) => {
    let kills = 0
    for (let occurrence = 1; ; occurrence += 1) {
      restore(computer)
      const first = await updateWithGitKilled(call, occurrence)
      if (first.code === 42) break // fewer calls than that
      kills += 1
      expect(first, first.stderr).toMatchObject(first.code === null ? { signal: 'SIGKILL' } : { code: 75 })
      const again = await computer.telec('telec-update', ['--retry'])
      expect(again.code, `after ${call} ${occurrence}: ${first.stderr}${again.stderr}`).toBe(42)
      expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
      expect(await computer.gitInCheckout('status', '--porcelain')).toBe('M notes.txt')
      expect(readFileSync(join(computer.checkout, 'notes.txt'), 'utf8')).toBe(LOCAL)
      expect(readFileSync(join(computer.checkout, 'new.txt'), 'utf8')).toBe('new\n')
    }
    expect(kills).toBeGreaterThan(0)
  },
  300_000,
)
