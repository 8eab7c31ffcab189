import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { succeed } from '../helpers/programs.ts'
import { readTree } from '../helpers/tree.ts'
import { halted, untouched, watchAndUpdate } from '../helpers/update.ts'

/** Work of a user in the checkout. */
function write(computer: Computer, path: string, text: string): void {
  mkdirSync(dirname(join(computer.checkout, path)), { recursive: true })
  writeFileSync(join(computer.checkout, path), text)
}

/** A computer whose checkout has a few files that are not in the way of anything yet. */
async function computerWithFiles(): Promise<Computer> {
  const computer = await freshComputer()
  await computer.push({ 'a.txt': 'a\n', 'b.txt': 'b\n', '.gitignore': '*.log\n/cache/\n' })
  expect((await watchAndUpdate(computer)).code).toBe(42)
  return computer
}

describe('work of a user that an update would overwrite halts it, and is there afterwards byte by byte', () => {
  test.each<[string, (computer: Computer) => void, Record<string, string | null>, string[]]>([
    ['a changed file', (it) => write(it, 'a.txt', 'mine\n'), { 'a.txt': 'theirs\n' }, ['a.txt']],
    [
      'a changed file that the update removes',
      (it) => write(it, 'a.txt', 'mine\n'),
      { 'a.txt': null },
      ['a.txt'],
    ],
    [
      'a removed file that the update changes',
      (it) => rmSync(join(it.checkout, 'a.txt')),
      { 'a.txt': 'theirs\n' },
      ['a.txt'],
    ],
    [
      'a file that git does not know',
      (it) => write(it, 'new.txt', 'mine\n'),
      { 'new.txt': 'theirs\n' },
      ['new.txt'],
    ],
    [
      'a file that git does not know, in a folder',
      (it) => write(it, 'sub/new.txt', 'mine\n'),
      { 'sub/new.txt': 'theirs\n' },
      ['sub/new.txt'],
    ],
    [
      'a file where the update has a folder',
      (it) => write(it, 'data', 'mine\n'),
      { 'data/x.txt': 'theirs\n' },
      ['data'],
    ],
    [
      'a folder where the update has a file',
      (it) => write(it, 'data/x.txt', 'mine\n'),
      { data: 'theirs\n' },
      ['data'],
    ],
    [
      'a file that git ignores',
      (it) => write(it, 'debug.log', 'mine\n'),
      { '.gitignore': '', 'debug.log': 'theirs\n' },
      ['debug.log'],
    ],
    [
      'a file in a folder that git ignores',
      (it) => write(it, 'cache/x', 'mine\n'),
      { '.gitignore': '', 'cache/x': 'theirs\n' },
      ['cache/'],
    ],
    [
      'a name with blanks, quotes and an umlaut',
      (it) => write(it, 'my "büro" file.txt', 'mine\n'),
      { 'my "büro" file.txt': 'theirs\n' },
      ['my "büro" file.txt'],
    ],
    [
      'several of them, listed at once',
      (it) => {
        write(it, 'a.txt', 'mine\n')
        write(it, 'b.txt', 'mine\n')
        write(it, 'new.txt', 'mine\n')
      },
      { 'a.txt': 'theirs\n', 'b.txt': 'theirs\n', 'new.txt': 'theirs\n' },
      ['3 local files', 'a.txt', 'b.txt', 'new.txt'],
    ],
  ])('%s', async (_, work, pushed, parts) => {
    const computer = await computerWithFiles()
    work(computer)
    await computer.git('config', 'core.quotePath', 'false')
    await computer.push(pushed)
    const files = readTree(computer.checkout)
    await computer.telec('telec-watch')
    const before = await untouched(computer)
    const ended = await computer.telec('telec-update')
    expectFailure(ended, 1, parts)
    expect(['verify', 'checkout']).toContain(halted(computer)?.step)
    expect(readTree(computer.checkout)).toEqual(files)
    expect(await untouched(computer)).toEqual(before)

    const stashed = await computer.telec('telec-update', ['--stash'])
    expect(stashed, stashed.stderr).toMatchObject({ code: 42 })
    expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
    const ref = await computer.gitInCheckout('for-each-ref', '--format=%(refname)', 'refs/telec/stash')
    expect(stashed.stderr).toContain(ref)
    const after = readTree(computer.checkout)
    const replaced = Object.keys(files).filter(
      (path) => path !== '.gitignore' && files[path] !== 'a folder' && after[path] !== files[path],
    )
    for (const path of replaced)
      expect(`${await computer.gitInCheckout('show', `${ref}:${path}`)}\n`).toBe(files[path])
  })

  test('a change that git has staged already', async () => {
    const computer = await computerWithFiles()
    write(computer, 'a.txt', 'mine\n')
    await computer.gitInCheckout('add', 'a.txt')
    await computer.push({ 'a.txt': 'theirs\n' })
    expectFailure(await watchAndUpdate(computer), 1, ['a.txt'])
    expect(await computer.gitInCheckout('status', '--porcelain')).toBe('M  a.txt')
  })
})

describe('work of a user that is not in the way', () => {
  test('stays as it is, and the update says so', async () => {
    const computer = await computerWithFiles()
    write(computer, 'a.txt', 'mine\n')
    write(computer, 'note.txt', 'mine\n')
    write(computer, 'debug.log', 'mine\n')
    await computer.push({ ...version('1.1.0'), 'b.txt': 'theirs\n' })
    const ended = await watchAndUpdate(computer)
    expect(ended.code).toBe(42)
    expect(ended.stderr).toContain('kept local changes: a.txt')
    expect(readTree(computer.checkout)).toMatchObject({
      'a.txt': 'mine\n',
      'b.txt': 'theirs\n',
      'note.txt': 'mine\n',
      'debug.log': 'mine\n',
    })
  })

  test('is no longer in the way once it was put back', async () => {
    const computer = await computerWithFiles()
    write(computer, 'a.txt', 'mine\n')
    await computer.push({ 'a.txt': 'theirs\n' })
    expectFailure(await watchAndUpdate(computer), 1, ['restore'])
    await computer.gitInCheckout('restore', '--', 'a.txt')
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
    expect(readTree(computer.checkout)).toMatchObject({ 'a.txt': 'theirs\n' })
  })
})

describe('history', () => {
  test('commits that a user made in the checkout halt an update; none is rebased or reset', async () => {
    const computer = await computerWithFiles()
    write(computer, 'mine.txt', 'mine\n')
    await computer.gitInCheckout('add', 'mine.txt')
    await computer.gitInCheckout('commit', '--quiet', '--message', 'a local repair')
    await computer.push({ 'b.txt': 'theirs\n' })
    const files = readTree(computer.checkout)
    await computer.telec('telec-watch')
    const before = await untouched(computer)
    expectFailure(await computer.telec('telec-update'), 1, ['commits of its own', 'a local repair'])
    expect(await untouched(computer)).toEqual(before)
    expect(readTree(computer.checkout)).toEqual(files)
  })

  test('a branch that was rewritten is not followed, and nothing is touched', async () => {
    const computer = await computerWithFiles()
    await computer.git('reset', '--quiet', '--hard', 'HEAD~1')
    await computer.git('commit', '--quiet', '--allow-empty', '--message', 'another history')
    await computer.git('push', '--quiet', '--force', 'origin', 'HEAD:main')
    const files = readTree(computer.checkout)
    await computer.telec('telec-watch')
    const before = await untouched(computer)
    expectFailure(await computer.telec('telec-update'), 1, ['main was rewritten', 'not a fast-forward'])
    expect(await untouched(computer)).toEqual(before)
    expect(readTree(computer.checkout)).toEqual(files)
  })

  test('a branch that was rewritten and restored is followed', async () => {
    const computer = await computerWithFiles()
    const good = await computer.git('rev-parse', 'HEAD')
    await computer.git('commit', '--quiet', '--allow-empty', '--amend', '--message', 'rewritten')
    await computer.git('push', '--quiet', '--force', 'origin', 'HEAD:main')
    expectFailure(await watchAndUpdate(computer), 1)
    await computer.git('reset', '--quiet', '--hard', good)
    await computer.git('commit', '--quiet', '--allow-empty', '--message', 'on top')
    await computer.git('push', '--quiet', '--force', 'origin', 'HEAD:main')
    expect((await watchAndUpdate(computer)).code).toBe(42)
  })

  test('a push that was taken back is forgotten: the remote has the deployed version', async () => {
    const computer = await computerWithFiles()
    const good = await computer.git('rev-parse', 'HEAD')
    await computer.push({ 'a.txt': 'a mistake\n' })
    await computer.telec('telec-watch')
    await computer.git('push', '--quiet', '--force', 'origin', `${good}:main`)
    const ended = await watchAndUpdate(computer)
    expect(ended.code).toBe(0)
    expect(computer.state('update_signal.json')).toBeNull()
    expect(halted(computer)).toBeNull()
  })
})

test('staged changes, and a repository of its own, are kept by --stash, too', async () => {
  const computer = await computerWithFiles()
  write(computer, 'a.txt', 'staged\n')
  await computer.gitInCheckout('add', 'a.txt')
  write(computer, 'a.txt', 'mine\n')
  await succeed('git', ['init', '--quiet', join(computer.checkout, 'data')])
  write(computer, 'data/work', 'hours of it\n')
  await computer.push({ ...version('1.1.0'), 'a.txt': 'theirs\n', data: 'theirs\n' })
  expectFailure(await watchAndUpdate(computer), 1, ['would overwrite 2 local files', 'a.txt', 'data/'])
  const ended = await computer.telec('telec-update', ['--stash'])
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  const refs = [...ended.stderr.matchAll(/cherry-pick --no-commit (\S+)/g)].map(([, ref]) => ref)
  const texts = await Promise.all(refs.map((ref) => computer.gitInCheckout('show', `${ref}:a.txt`)))
  expect(texts).toEqual(['mine', 'staged'])
  const [, place = ''] = /^stashed: (\S+telec-aside\S+), moved from /m.exec(ended.stderr) ?? []
  expect(readFileSync(join(place, 'work'), 'utf8')).toBe('hours of it\n')
  expect(readFileSync(join(computer.checkout, 'data'), 'utf8')).toBe('theirs\n')
})

test('the commands of a halt can be pasted, with any path of the checkout', async () => {
  const moved = await computerWithFiles()
  const computer = { ...moved, checkout: join(moved.folder, "ada's $HOME; web") }
  renameSync(moved.checkout, computer.checkout)
  computer.writeConfig(`deployment:\n  checkout: ${JSON.stringify(computer.checkout)}\n`)
  write(computer, 'a.txt', 'mine\n')
  await computer.push({ 'a.txt': 'theirs\n' })
  const { stderr } = await watchAndUpdate(computer)
  const [, restore = 'false'] = /restore them: (git -C .* restore -- )PATH;/.exec(stderr) ?? []
  await succeed('sh', ['-c', `${restore} a.txt`])
  expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
  expect(readFileSync(join(computer.checkout, 'a.txt'), 'utf8')).toBe('theirs\n')
})
