import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { type Ended, succeed } from '../helpers/programs.ts'
import { readTree } from '../helpers/tree.ts'
import { halted, untouched, watchAndUpdate } from '../helpers/update.ts'

const NEW = `${'new and longer '.repeat(2_000)}\n`

function write(computer: Computer, path: string, text: string | Buffer): void {
  writeFileSync(join(computer.checkout, path), text)
}

function read(computer: Computer, path: string): string {
  return readFileSync(join(computer.checkout, path), 'utf8')
}

/** An update whose telec is killed as it is about to move the files. */
async function killedBeforeTheMove(): Promise<{ computer: Computer; commit: string }> {
  const computer = await freshComputer()
  await computer.push({ 'a.txt': 'a\n', 'b.txt': 'b\n', 'gone.txt': 'gone\n' })
  expect((await watchAndUpdate(computer)).code).toBe(42)
  const commit = await computer.push({
    ...version('1.1.0'),
    'a.txt': NEW,
    'b.txt': NEW,
    'gone.txt': null,
    'new.txt': NEW,
  })
  await computer.telec('telec-watch')
  const bin = join(computer.folder, 'bin')
  mkdirSync(bin)
  const git = await succeed('sh', ['-c', 'command -v git'])
  writeFileSync(
    join(bin, 'git'),
    `#!/bin/sh\ncase " $* " in *" read-tree -m -u "*) kill -s KILL $PPID; exit 1 ;; esac\nexec ${git} "$@"\n`,
  )
  chmodSync(join(bin, 'git'), 0o755)
  const ended = await computer.telec('telec-update', [], {
    env: { PATH: `${bin}:${computer.env.PATH}` },
  })
  expect(ended.signal).toBe('SIGKILL')
  return { computer, commit }
}

async function expectMoved(computer: Computer, commit: string, ended: Ended): Promise<void> {
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
  expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
  for (const path of ['a.txt', 'b.txt', 'new.txt']) expect(read(computer, path)).toBe(NEW)
  expect(existsSync(join(computer.checkout, 'gone.txt'))).toBe(false)
}

describe('a move that was stopped is completed from the objects, and nobody is told that it was his work:', () => {
  test.each<[string, (computer: Computer) => unknown]>([
    ['before it began', () => undefined],
    ['with some files of the new commit', (it) => ['a.txt', 'new.txt'].map((path) => write(it, path, NEW))],
    ['in the middle of a file', (it) => write(it, 'a.txt', NEW.slice(0, 5_000))],
    ['with an empty file', (it) => write(it, 'b.txt', '')],
    ['with zeros where the text was to be', (it) => write(it, 'new.txt', Buffer.alloc(NEW.length))],
    [
      'with a text that becomes zeros',
      (it) => write(it, 'a.txt', Buffer.concat([Buffer.from(NEW.slice(0, 4_096)), Buffer.alloc(9_000)])),
    ],
    [
      'with the index of the new commit, and files that look as old as it',
      async (it) => {
        await it.gitInCheckout('fetch', '--quiet', 'origin')
        await it.gitInCheckout('read-tree', '-m', '-u', 'HEAD', 'origin/main')
        for (const path of ['a.txt', 'b.txt', 'new.txt']) write(it, path, Buffer.alloc(NEW.length))
        await succeed('sh', [
          '-c',
          'GIT_DIR=$1/.git GIT_WORK_TREE=$1 git update-index --assume-unchanged a.txt',
          'sh',
          it.checkout,
        ])
      },
    ],
    ['with a lock of the git that is gone', (it) => write(it, '.git/index.lock', '')],
  ])('%s', async (_, stop) => {
    const { computer, commit } = await killedBeforeTheMove()
    await stop(computer)
    await computer.gitInCheckout('update-index', '--no-assume-unchanged', 'a.txt').catch(() => '')
    const ended = await computer.telec('telec-update')
    expect(ended.stderr).not.toContain('put aside')
    await expectMoved(computer, commit, ended)
    expect(await computer.gitInCheckout('for-each-ref', 'refs/telec/rescued')).toBe('')
  })

  test('what somebody wrote there meanwhile is kept, and named wherever people look', async () => {
    const { computer, commit } = await killedBeforeTheMove()
    write(computer, 'new.txt', 'data of the service\n')
    write(computer, 'a.txt', 'edit of a person\n')
    const ended = await computer.telec('telec-update')
    await expectMoved(computer, commit, ended)
    const ref = await computer.gitInCheckout('for-each-ref', '--format=%(refname)', 'refs/telec/rescued')
    expect(await computer.gitInCheckout('show', `${ref}:new.txt`)).toBe('data of the service')
    expect(await computer.gitInCheckout('show', `${ref}:a.txt`)).toBe('edit of a person')
    const told = `put aside: a.txt, new.txt; to have them back: git -C ${computer.checkout} cherry-pick --no-commit ${ref}`
    expect(ended.stderr).toContain(told)
    expect((await computer.telec('telec', ['status'])).stdout).toContain(told)
    expect((await computer.telec('telec', ['history'])).stdout).toContain(told)
  })
})

describe('a move that git refuses touches nothing and halts with its reason, again and again:', () => {
  test.each<[string, (computer: Computer) => Promise<unknown>, string[]]>([
    [
      'a file that git was told not to look at',
      async (it) => {
        await it.gitInCheckout('update-index', '--assume-unchanged', 'a.txt')
        write(it, 'a.txt', 'mine\n')
      },
      ['1 file(s) in the way are marked assume-unchanged or skip-worktree', 'a.txt', '--no-assume-unchanged'],
    ],
    [
      'one that is skipped',
      async (it) => {
        await it.gitInCheckout('update-index', '--skip-worktree', 'a.txt')
        write(it, 'a.txt', 'mine\n')
      },
      ['skip-worktree', 'a.txt'],
    ],
    [
      'a conflict',
      async (it) => {
        const blob = await it.gitInCheckout('rev-parse', ':b.txt')
        const stages = [1, 2, 3].map((stage) => `100644 ${blob} ${stage}\tb.txt\n`).join('')
        await succeed('git', ['-C', it.checkout, 'rm', '--quiet', '--cached', 'b.txt'])
        await succeed('git', ['-C', it.checkout, 'update-index', '--index-info'], { input: stages })
      },
      ['1 file(s) have conflicts that somebody is resolving', 'b.txt'],
    ],
    ...(
      [
        ['MERGE_HEAD', 'a merge', 'merge --abort'],
        ['CHERRY_PICK_HEAD', 'a cherry-pick', 'cherry-pick --abort'],
        ['REVERT_HEAD', 'a revert', 'revert --abort'],
      ] as const
    ).map(([name, what, leave]): [string, (it: Computer) => Promise<unknown>, string[]] => [
      what,
      async (it) => write(it, `.git/${name}`, `${await it.gitInCheckout('rev-parse', 'HEAD')}\n`),
      [`somebody is in the middle of ${what}`, leave],
    ]),
    [
      'a rebase',
      async (it) => mkdirSync(join(it.checkout, '.git/rebase-merge')),
      ['somebody is in the middle of a rebase', 'rebase --abort'],
    ],
  ])('%s', async (_, open, parts) => {
    const computer = await freshComputer()
    await computer.push({ 'a.txt': 'a\n', 'b.txt': 'b\n' })
    expect((await watchAndUpdate(computer)).code).toBe(42)
    await open(computer)
    await computer.push({ ...version('1.1.0'), 'a.txt': 'theirs\n' })
    await computer.telec('telec-watch')
    const [before, files] = [await untouched(computer), readTree(computer.checkout)]
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      expectFailure(await computer.telec('telec-update', ['--retry']), 1, parts)
      expect(['preflight', 'verify', 'checkout']).toContain(halted(computer)?.step)
      expect(await untouched(computer)).toEqual(before)
      expect(readTree(computer.checkout)).toEqual(files)
    }
    expect((await computer.telec('telec', ['status'])).stdout).not.toContain('half-way')
  })
})

describe('what is nobody’s work is in no way:', () => {
  test('files whose bytes are those of the commit, though a rule for line ends came later', async () => {
    const computer = await freshComputer()
    await computer.push({ 'crlf.txt': 'one\r\ntwo\r\n' })
    expect((await watchAndUpdate(computer)).code).toBe(42)
    writeFileSync(join(computer.folder, 'work/.gitattributes'), '*.txt text\n')
    for (const args of [
      ['add', '.gitattributes'], // alone: git would take in the other with new line ends
      ['commit', '--quiet', '-m', 'a rule'],
      ['push', '--quiet', 'origin', 'HEAD:main'],
    ])
      await computer.git(...args)
    expect((await watchAndUpdate(computer)).code).toBe(42)
    await succeed('chmod', ['640', join(computer.checkout, 'crlf.txt')])
    await succeed('chmod', ['644', join(computer.checkout, 'crlf.txt')])
    expect(await computer.gitInCheckout('status', '--porcelain')).toBe('M crlf.txt')
    const commit = await computer.push({ ...version('1.1.0'), 'crlf.txt': 'one\nthree\n' })
    const ended = await watchAndUpdate(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(ended.stderr).not.toContain('crlf.txt')
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
    expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
  })

  test('what is there already as the update would write it', async () => {
    const computer = await freshComputer()
    write(computer, 'new.txt', 'theirs\n')
    const commit = await computer.push({ ...version('1.1.0'), 'new.txt': 'theirs\n' })
    const ended = await watchAndUpdate(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
    expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
  })

  test('untracked files without number, of which none is asked about', async () => {
    const computer = await freshComputer()
    const folder = join(computer.checkout, 'uploads')
    mkdirSync(folder)
    await succeed('sh', ['-c', `cd ${folder} && seq -f '%0200.0f' 20000 | xargs touch`])
    await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    const ended = await computer.telec('telec-update', [], { env: { TELEC_DEBUG: '1' } })
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
  })
})

test('a sparse checkout is updated as it is; migrations that it leaves out are refused', async () => {
  const computer = await freshComputer()
  await computer.push({ 'server/s.txt': 's\n', 'web/w.txt': 'w\n' })
  expect((await watchAndUpdate(computer)).code).toBe(42)
  await computer.gitInCheckout('sparse-checkout', 'set', 'server')
  await computer.push({ ...version('1.1.0'), 'server/s.txt': 's2\n', 'web/w.txt': 'w2\n' })
  expect((await watchAndUpdate(computer)).code).toBe(42)
  expect(read(computer, 'server/s.txt')).toBe('s2\n')
  expect(existsSync(join(computer.checkout, 'web'))).toBe(false)
  await computer.push({
    ...version('1.2.0'),
    'migrations/v1.2.0/001_a.mjs': 'export const check = () => true\n',
  })
  expectFailure(await watchAndUpdate(computer), 1, [
    'this sparse checkout leaves migrations/ out',
    'sparse-checkout add migrations',
  ])
  await computer.gitInCheckout('sparse-checkout', 'add', 'migrations')
  expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
})
