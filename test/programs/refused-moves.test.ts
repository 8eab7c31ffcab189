import { chmodSync, chownSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { asNobody } from '../helpers/as-nobody.ts'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { execute, succeed } from '../helpers/programs.ts'
import { readTree } from '../helpers/tree.ts'
import { untouched, watchAndUpdate } from '../helpers/update.ts'

const at = (computer: Computer, path: string) => join(computer.checkout, path)
const write = (computer: Computer, path: string, text: string) => writeFileSync(at(computer, path), text)

async function computerWithFiles(files: Record<string, string> = {}): Promise<Computer> {
  const computer = await freshComputer()
  await computer.push({ 'a.txt': 'a\n', 'b.txt': 'b\n', 'sub/s.txt': 's\n', ...files })
  expect((await watchAndUpdate(computer)).code).toBe(42)
  return computer
}

const statusOf = async (computer: Computer) => (await computer.telec('telec', ['status'])).stdout

/** Expects an update to halt as often as it is tried, with all unchanged, and nothing half-way or kept. */
async function expectRefused(computer: Computer, parts: readonly string[]): Promise<void> {
  const files = readTree(computer.checkout)
  await computer.telec('telec-watch')
  const before = [await untouched(computer), await computer.gitInCheckout('status', '--porcelain')]
  for (const args of [[], ['--retry'], ['--retry']])
    expectFailure(await computer.telec('telec-update', args), 1, parts)
  expect(readTree(computer.checkout)).toEqual(files)
  expect([await untouched(computer), await computer.gitInCheckout('status', '--porcelain')]).toEqual(before)
  expect(await statusOf(computer)).not.toContain('half-way')
  expect(await computer.gitInCheckout('for-each-ref', 'refs/telec/rescued', 'refs/telec/stash')).toBe('')
}

describe('a user is in the middle of something, in files that the update does not touch:', () => {
  const conflict = async (computer: Computer, ...command: string[]) => {
    const git = (...args: string[]) => computer.gitInCheckout(...args)
    await git('checkout', '--quiet', '-b', 'aside', 'HEAD~1')
    write(computer, 'a.txt', 'mine\n')
    await git('add', 'a.txt')
    await git('commit', '--quiet', '--message', 'mine')
    await git('checkout', '--quiet', 'main')
    await execute('git', ['-C', computer.checkout, ...command])
    write(computer, 'a.txt', 'resolved: hours of work\n')
  }
  test.each<[string, string[], string, string[]]>([
    ['a merge', ['merge', 'aside'], 'a merge is in progress', ['merge', '--abort']],
    ['a cherry-pick', ['cherry-pick', 'aside'], 'a cherry-pick is in progress', ['cherry-pick', '--abort']],
    ['a revert', ['revert', '--no-commit', 'HEAD'], 'a revert is in progress', ['revert', '--abort']],
    ['a bisect', ['bisect', 'start'], 'a bisection is in progress', ['bisect', 'reset']],
    ['a conflict of nothing in particular', ['checkout', '--merge', 'aside', '--', 'a.txt'], '', []],
  ])('%s', async (_, command, message, abort) => {
    const computer = await computerWithFiles()
    if (message === '') {
      await conflict(computer, 'cherry-pick', 'aside')
      await computer.gitInCheckout('cherry-pick', '--quit') // as git stash pop leaves it
    } else await conflict(computer, ...command)
    const commit = await computer.push({ ...version('1.1.0'), 'b.txt': 'theirs\n' })
    await expectRefused(computer, [message || '1 file with merge conflicts'])
    expect(readFileSync(at(computer, 'a.txt'), 'utf8')).toBe('resolved: hours of work\n')
    await computer.gitInCheckout('reset', '--quiet', '--hard')
    if (abort.length > 0) await execute('git', ['-C', computer.checkout, ...abort])
    expect(await computer.telec('telec-update', ['--retry'])).toMatchObject({ code: 42 })
    expect(await computer.gitInCheckout('rev-parse', 'main')).toBe(commit)
  })
})

describe('what git may not write', () => {
  test.each([
    ['a folder of the work tree', 'sub'],
    ['the log of HEAD', '.git/logs/HEAD'],
  ])('%s: nothing is touched, and once it is given back the update goes on', async (_, path) => {
    const computer = await computerWithFiles()
    const env = {
      ...computer.env,
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '*',
    }
    await computer.push({ ...version('1.1.0'), 'a.txt': 'aa\n', 'sub/s.txt': 'ss\n' })
    await computer.telec('telec-watch')
    const files = readTree(computer.checkout)
    await succeed('chown', ['-R', '65534:65534', computer.folder])
    chownSync(at(computer, path), 0, 0)
    const update = (...args: string[]) => asNobody(computer.folder, 'telec-update', args, env)
    for (const args of [[], ['--retry']])
      expectFailure(await update(...args), 1, ['is not allowed to write', path, 'chown -R'])
    expect(readTree(computer.checkout)).toEqual(files)
    const status = await asNobody(computer.folder, 'telec', ['status'], env)
    expect(status.stdout).toMatch(/checkout: +at \w+, which is deployed/)
    chownSync(at(computer, path), 65534, 65534)
    const ended = await update('--retry')
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(readFileSync(at(computer, 'sub/s.txt'), 'utf8')).toBe('ss\n')
  })
})

test('a file that may not be read is named with the chown', async () => {
  const computer = await computerWithFiles()
  await computer.push({ ...version('1.1.0'), 'a.txt': 'aa\n' })
  await computer.telec('telec-watch')
  await succeed('chown', ['-R', '65534:65534', computer.folder])
  writeFileSync(at(computer, 'a.txt'), 'of root\n', { mode: 0o600 })
  chmodSync(at(computer, 'a.txt'), 0o600)
  chownSync(at(computer, 'a.txt'), 0, 0)
  const ended = await asNobody(computer.folder, 'telec-update', [], computer.env)
  expectFailure(ended, 1, ['a.txt: Permission denied', 'chown -R'])
})

describe('what nobody worked on holds nothing up:', () => {
  const expectMoved = async (computer: Computer, files: Record<string, string>) => {
    const commit = await computer.push({ ...version('1.1.0'), ...files })
    const ended = await watchAndUpdate(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(await computer.gitInCheckout('rev-parse', 'main')).toBe(commit)
    expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
    expect(readTree(computer.checkout)).toMatchObject(files)
    expect(await computer.gitInCheckout('for-each-ref', 'refs/telec/rescued', 'refs/telec/stash')).toBe('')
  }

  test('files of another time alone', async () => {
    const computer = await computerWithFiles()
    utimesSync(at(computer, 'a.txt'), 1, 1)
    await expectMoved(computer, { 'a.txt': 'aa\n' })
  })

  test('line endings that the repository came to want otherwise', async () => {
    const computer = await computerWithFiles({ 'crlf.txt': 'one\r\ntwo\r\n' })
    await computer.push({ '.gitattributes': 'crlf.txt text\n' })
    expect((await watchAndUpdate(computer)).code).toBe(42)
    await succeed('chown', ['-R', '0', computer.checkout])
    await computer.git('add', '--renormalize', '.')
    await expectMoved(computer, { 'b.txt': 'bb\n' })
    expect(readFileSync(at(computer, 'crlf.txt'), 'utf8')).toBe('one\ntwo\n')
  })

  test('a file whose bytes are those of the commit, though a rule for line ends came later', async () => {
    const computer = await computerWithFiles({ 'crlf.txt': 'one\r\ntwo\r\n' })
    writeFileSync(join(computer.folder, 'work/.gitattributes'), '*.txt text\n')
    for (const args of [
      ['add', '.gitattributes'], // alone: git would take in the other with new line ends
      ['commit', '--quiet', '-m', 'a rule'],
      ['push', '--quiet', 'origin', 'HEAD:main'],
    ])
      await computer.git(...args)
    expect((await watchAndUpdate(computer)).code).toBe(42)
    utimesSync(at(computer, 'crlf.txt'), 1, 1)
    expect(await computer.gitInCheckout('status', '--porcelain')).toBe('M crlf.txt')
    await expectMoved(computer, { 'crlf.txt': 'one\nthree\n' })
  })

  test('a file that is what the update brings, tracked or not', async () => {
    const computer = await computerWithFiles()
    write(computer, 'a.txt', 'aa\n')
    write(computer, 'new.txt', 'new\n')
    await expectMoved(computer, { 'a.txt': 'aa\n', 'new.txt': 'new\n' })
  })

  test('an ORIG_HEAD that a power cut left as zeros', async () => {
    const computer = await computerWithFiles()
    writeFileSync(at(computer, '.git/ORIG_HEAD'), Buffer.alloc(41))
    await expectMoved(computer, { 'a.txt': 'aa\n' })
  })

  test('untracked files beyond number', async () => {
    const computer = await computerWithFiles({ '.gitignore': 'uploads/*\n' })
    const folder = at(computer, join('uploads', ...Array.from({ length: 14 }, () => 'x'.repeat(250))))
    mkdirSync(folder, { recursive: true })
    for (let number = 0; number < 10_000; number += 1) writeFileSync(join(folder, String(number)), '')
    await computer.push({ ...version('1.1.0'), 'a.txt': 'aa\n' })
    const ended = await watchAndUpdate(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
  })
})

describe('files that git was told to ignore', () => {
  test.each(['assume-unchanged', 'skip-worktree'])('is named where it is changed: %s', async (mark) => {
    const computer = await computerWithFiles()
    await computer.gitInCheckout('update-index', `--${mark}`, 'a.txt')
    write(computer, 'a.txt', 'mine\n')
    await computer.push({ ...version('1.1.0'), 'a.txt': 'theirs\n' })
    await expectRefused(computer, [
      'would overwrite 1 file whose changes are hidden from git',
      `a.txt (${mark})`,
      `--no-${mark}`,
    ])
    await computer.gitInCheckout('update-index', `--no-${mark}`, 'a.txt')
    expectFailure(await computer.telec('telec-update', ['--retry']), 1, ['a.txt', '--stash'])
    expect(await computer.telec('telec-update', ['--stash'])).toMatchObject({ code: 42 })
    expect(readFileSync(at(computer, 'a.txt'), 'utf8')).toBe('theirs\n')
  })
})

describe('a sparse checkout', () => {
  async function sparse(): Promise<Computer> {
    const computer = await computerWithFiles({ 'web/w.txt': 'w\n' })
    await computer.gitInCheckout('sparse-checkout', 'set', 'sub')
    expect(Object.keys(readTree(computer.checkout))).not.toContain('web')
    return computer
  }

  test('is followed: excluded files are neither written nor missed', async () => {
    const computer = await sparse()
    const commit = await computer.push({
      ...version('1.1.0'),
      'sub/s.txt': 'ss\n',
      'web/w.txt': 'ww\n',
      'web/x.txt': 'x\n',
    })
    const ended = await watchAndUpdate(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(await computer.gitInCheckout('rev-parse', 'main')).toBe(commit)
    expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
    const files = readTree(computer.checkout)
    expect(files).toMatchObject({ 'sub/s.txt': 'ss\n' })
    expect(Object.keys(files)).not.toContain('web')
  })

  test('that leaves out migrations halts before it runs without them', async () => {
    const computer = await sparse()
    const text = 'export const check = () => true\nexport const migrate = () => true\n'
    await computer.push({ ...version('1.1.0'), 'migrations/v1.1.0/001_a.mjs': text })
    const left = ['excludes migrations/', 'sparse-checkout add migrations']
    expectFailure(await watchAndUpdate(computer), 1, left)
    await computer.gitInCheckout('sparse-checkout', 'add', 'migrations')
    const ended = await computer.telec('telec-update', ['--retry'])
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(ended.stderr).toContain('migrate: 1 satisfied already')
  })
})
