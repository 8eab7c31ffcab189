import { chmodSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { unpackAll } from '../helpers/loose.ts'
import { expectFailure } from '../helpers/messages.ts'
import { succeed } from '../helpers/programs.ts'
import { readTree } from '../helpers/tree.ts'
import { watchAndUpdate } from '../helpers/update.ts'

// What a power cut on a worn disk leaves of git's objects.

const NEW = { ...version('1.2.0'), 'lib/new.txt': 'new\n' }

async function objectAt(computer: Computer, name: string): Promise<string> {
  await unpackAll(computer)
  const id = await computer.gitInCheckout('rev-parse', name)
  return join(computer.checkout, '.git/objects', id.slice(0, 2), id.slice(2))
}

function empty(path: string): void {
  rmSync(path)
  writeFileSync(path, '')
}

function zero(path: string): void {
  const { size } = statSync(path)
  rmSync(path)
  writeFileSync(path, Buffer.alloc(size))
}

function cut(path: string): void {
  chmodSync(path, 0o600)
  truncateSync(path, 200)
}

const packsOf = ({ checkout }: Computer, end: string) => {
  const folder = join(checkout, '.git/objects/pack')
  return readdirSync(folder)
    .filter((name) => name.endsWith(end))
    .map((name) => join(folder, name))
}

/** Updated once; the next version is pushed. */
async function updated(): Promise<{ computer: Computer; commit: string }> {
  const computer = await freshComputer()
  await computer.push({ ...version('1.1.0'), 'lib/old.txt': 'old\n' })
  expect((await watchAndUpdate(computer)).code).toBe(42)
  return { computer, commit: await computer.push(NEW) }
}

async function expectWhole(computer: Computer, commit: string): Promise<void> {
  expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
  expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
  await computer.gitInCheckout('rev-list', '--objects', '--quiet', 'HEAD')
  const { '.git': _, ...files } = readTree(computer.checkout)
  expect(files['lib/new.txt']).toBe('new\n')
}

type Harm = (computer: Computer) => Promise<void>

describe('objects of the deployed version are fetched again:', () => {
  test.each<[string, Harm]>([
    ['its commit is empty', async (one) => empty(await objectAt(one, 'HEAD'))],
    ['its commit is gone', async (one) => rmSync(await objectAt(one, 'HEAD'))],
    ['its commit is zeros', async (one) => zero(await objectAt(one, 'HEAD'))],
    ['its tree is empty', async (one) => empty(await objectAt(one, 'HEAD^{tree}'))],
    ['its tree is gone', async (one) => rmSync(await objectAt(one, 'HEAD^{tree}'))],
    [
      'its pack is cut',
      async (one) => {
        await one.gitInCheckout('gc', '--quiet')
        for (const path of packsOf(one, '.pack')) cut(path)
      },
    ],
    [
      'the index of its pack is empty',
      async (one) => {
        await one.gitInCheckout('gc', '--quiet')
        for (const path of packsOf(one, '.idx')) empty(path)
      },
    ],
  ])('%s', async (_, harm) => {
    const { computer, commit } = await updated()
    await harm(computer)
    const ended = await watchAndUpdate(computer)
    expect(ended.code, ended.stderr).toBe(42)
    await expectWhole(computer, commit)
  })
})

describe('objects that were fetched, and are lacking when the update continues, are fetched again:', () => {
  test.each<[string, Harm]>([
    ['the commit', async (one) => rmSync(await objectAt(one, 'refs/telec/kept/heads%2Fmain'))],
    ['the commit, which is empty', async (one) => empty(await objectAt(one, 'refs/telec/kept/heads%2Fmain'))],
    ['a tree', async (one) => rmSync(await objectAt(one, 'refs/telec/kept/heads%2Fmain:lib'))],
    ['a file', async (one) => rmSync(await objectAt(one, 'refs/telec/kept/heads%2Fmain:lib/new.txt'))],
    [
      'a file, which is empty',
      async (one) => empty(await objectAt(one, 'refs/telec/kept/heads%2Fmain:lib/new.txt')),
    ],
  ])('%s', async (_, harm) => {
    const { computer, commit } = await updated()
    // A file of a user's in the way, after the fetch.
    const inTheWay = join(computer.checkout, 'lib/new.txt')
    writeFileSync(inTheWay, 'mine\n')
    expect((await watchAndUpdate(computer)).code).toBe(1)
    rmSync(inTheWay)
    await harm(computer)
    const ended = await computer.telec('telec-update', ['--retry'])
    expect(ended.code, ended.stderr).toBe(42)
    expect(ended.stderr).toContain('fetching missing and broken objects again')
    await expectWhole(computer, commit)
  })
})

test('a shallow clone keeps its depth', async () => {
  const { computer, commit } = await updated()
  rmSync(computer.checkout, { recursive: true })
  await computer.git('clone', '--quiet', '--depth', '1', `file://${computer.remote}`, computer.checkout)
  rmSync(join(computer.home, 'update_state.json'))
  expect((await computer.telec('telec-watch')).code).toBe(0)
  const second = await computer.push(version('1.3.0'))
  expect((await watchAndUpdate(computer)).code).toBe(42)
  const last = await computer.push(version('1.4.0'))
  empty(await objectAt(computer, 'HEAD^{tree}'))
  const ended = await watchAndUpdate(computer)
  expect(ended.code, ended.stderr).toBe(42)
  expect(await computer.gitInCheckout('rev-list', 'HEAD')).toBe([last, second, commit].join('\n'))
  await computer.gitInCheckout('fsck', '--full')
})

test('a partial clone gets no more than it had, and what it lacks when it is asked for', async () => {
  const { computer, commit } = await updated()
  rmSync(computer.checkout, { recursive: true })
  rmSync(join(computer.home, 'update_state.json'))
  await succeed('git', ['-C', computer.remote, 'config', 'uploadpack.allowFilter', 'true'])
  const partial = ['--filter=blob:none', `file://${computer.remote}`, computer.checkout]
  await computer.git('clone', '--quiet', ...partial)
  await computer.gitInCheckout('reset', '--quiet', '--hard', 'HEAD~1')
  expect((await computer.telec('telec-watch')).code).toBe(0)
  for (const path of packsOf(computer, '.pack')) cut(path)
  const ended = await watchAndUpdate(computer)
  expect(ended.code, ended.stderr).toBe(42)
  const objects = await computer.gitInCheckout('rev-list', '--objects', '--missing=print', '--all')
  expect(objects).toMatch(/^\?/m)
  await expectWhole(computer, commit)
})

test('where the remote no longer has it, the update halts', async () => {
  const { computer } = await updated()
  const path = await objectAt(computer, 'HEAD')
  await computer.git('checkout', '--quiet', '--orphan', 'other')
  await computer.git('commit', '--quiet', '--message', 'another history')
  await computer.git('push', '--quiet', '--force', 'origin', 'HEAD:main')
  await succeed('git', ['-C', computer.remote, 'gc', '--quiet', '--prune=now'])
  rmSync(path)
  expectFailure(await watchAndUpdate(computer), 1, ['is damaged', 'telec repair'])
})
