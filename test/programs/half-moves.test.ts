import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { type Ended, succeed } from '../helpers/programs.ts'
import { readTree } from '../helpers/tree.ts'
import { watchAndUpdate } from '../helpers/update.ts'
import { withGit } from '../helpers/with-git.ts'

const OLD = {
  'a.txt': 'old a\n',
  'b.txt': 'old b\n',
  gone: 'old\n',
  data: 'a file\n',
  'notes.txt': 'notes\n',
}
const NEW = {
  ...version('1.1.0'),
  'a.txt': 'a new and longer a\n',
  'b.txt': 'a new b\n',
  gone: null,
  data: null,
  'data/x.txt': 'below a folder\n',
  'sub/new.txt': 'new\n',
}

const at = (computer: Computer, path: string) => join(computer.checkout, path)
const write = (computer: Computer, path: string, text: string) => writeFileSync(at(computer, path), text)

async function computerWithFiles(): Promise<Computer> {
  const computer = await freshComputer()
  await computer.push(OLD)
  expect((await watchAndUpdate(computer)).code).toBe(42)
  return computer
}

/** An update to NEW that is killed by a power cut, or the like: before git moves the files, or before the disk is synced. */
async function interrupted(computer: Computer, when: 'before' | 'after'): Promise<string> {
  const commit = await computer.push(NEW)
  const move = when === 'after' ? '"$git" "$@"; ' : ''
  const die = `case " $* " in *" read-tree -m "*) ${move}kill -s KILL $PPID; exit 1 ;; esac`
  const env = await withGit(computer, die)
  const ended = await watchAndUpdate(computer, [], env)
  expect(ended, ended.stderr).toMatchObject({ signal: 'SIGKILL' })
  return commit
}

async function expectWhole(computer: Computer, ended: Ended, commit: string): Promise<void> {
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  expect(await computer.gitInCheckout('rev-parse', 'HEAD', 'main')).toBe(`${commit}\n${commit}`)
  expect(readTree(computer.checkout)).toEqual(readTree(join(computer.folder, 'work')))
  expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
}

const rescued = (computer: Computer) =>
  computer.gitInCheckout('for-each-ref', '--format=%(refname)', 'refs/telec/rescued')

describe('a move that was interrupted is completed, and files that git left are not local changes:', () => {
  test.each<[string, (computer: Computer) => unknown]>([
    ['all of it is there but HEAD', () => undefined],
    ['files that are empty', (it) => ['a.txt', 'data/x.txt'].map((path) => truncateSync(at(it, path)))],
    ['files of zeros', (it) => write(it, 'a.txt', '\0'.repeat(NEW['a.txt'].length))],
    ['the beginning of a file', (it) => truncateSync(at(it, 'sub/new.txt'), 2)],
    [
      'the beginning of a file, and then zeros',
      (it) => write(it, 'a.txt', `${NEW['a.txt'].slice(0, 7)}\0\0\0`),
    ],
    ['files as they were, though the index says that they are new', (it) => write(it, 'b.txt', OLD['b.txt'])],
    ['a file that was removed, and not written yet', (it) => rmSync(at(it, 'a.txt'))],
    ['a file that was not removed yet', (it) => write(it, 'gone', OLD.gone)],
    [
      'a file where a folder was to be',
      (it) => {
        rmSync(at(it, 'data'), { recursive: true })
        write(it, 'data', OLD.data)
      },
    ],
    ['an index of the old commit', async (it) => it.gitInCheckout('read-tree', 'HEAD')],
    ['a lock', (it) => write(it, '.git/index.lock', '')],
  ])('%s', async (_, leave) => {
    const computer = await computerWithFiles()
    const commit = await interrupted(computer, 'after')
    await leave(computer)
    const { stdout } = await computer.telec('telec', ['status'])
    expect(stdout).not.toContain('local change')
    expect(stdout).toContain('half-way')
    await expectWhole(computer, await computer.telec('telec-update'), commit)
    expect(await rescued(computer)).toBe('')
  })

  test('one that is half of what a filter makes of it', async () => {
    const computer = await computerWithFiles()
    await computer.push({ '.gitattributes': '*.txt eol=crlf\n' })
    expect((await watchAndUpdate(computer)).code).toBe(42)
    const commit = await interrupted(computer, 'after')
    expect(readFileSync(at(computer, 'a.txt'), 'utf8')).toBe('a new and longer a\r\n')
    truncateSync(at(computer, 'a.txt'), NEW['a.txt'].length) // without its \n
    const ended = await computer.telec('telec-update')
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
    expect(readFileSync(at(computer, 'a.txt'), 'utf8')).toBe('a new and longer a\r\n')
    expect(await rescued(computer)).toBe('')
  })
})

describe('work of others on top of a half move', () => {
  test('is kept under a ref that log, status and history name, and then overwritten', async () => {
    const computer = await computerWithFiles()
    const commit = await interrupted(computer, 'after')
    await computer.gitInCheckout('config', 'core.excludesFile', at(computer, '../ignored'))
    writeFileSync(at(computer, '../ignored'), 'sub\n')
    write(computer, 'a.txt', "a person's edit\n")
    write(computer, 'sub/new.txt', "the service's data\n")
    const ended = await computer.telec('telec-update')
    await expectWhole(computer, ended, commit)
    const ref = await rescued(computer)
    expect(await computer.gitInCheckout('show', `${ref}:a.txt`)).toBe("a person's edit")
    expect(await computer.gitInCheckout('show', `${ref}:sub/new.txt`)).toBe("the service's data")
    expect(ended.stderr).toContain(`stashed: a.txt, sub/new.txt; to restore them`)
    const status = (await computer.telec('telec', ['status'])).stdout
    const history = (await computer.telec('telec', ['history'])).stdout
    for (const text of [ended.stderr, status, history]) {
      expect(text).toContain(ref)
      expect(text).toContain('a.txt, sub/new.txt')
    }
  })

  test('staged elsewhere stays, and staged over it is kept', async () => {
    const computer = await computerWithFiles()
    await interrupted(computer, 'after')
    write(computer, 'notes.txt', 'staged\n')
    write(computer, 'a.txt', 'staged over it\n')
    await computer.gitInCheckout('add', 'notes.txt', 'a.txt')
    write(computer, 'a.txt', NEW['a.txt'])
    const ended = await computer.telec('telec-update')
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(await computer.gitInCheckout('status', '--porcelain')).toBe('M  notes.txt')
    expect(ended.stderr).toMatch(/^stashed: staged changes; to restore them: /m)
    expect(await computer.gitInCheckout('show', `${await rescued(computer)}:a.txt`)).toBe('staged over it')
  })

  test('that is a repository of its own is moved away whole', async () => {
    const computer = await computerWithFiles()
    const commit = await interrupted(computer, 'after')
    rmSync(at(computer, 'sub'), { recursive: true })
    await succeed('git', ['init', '--quiet', at(computer, 'sub/new.txt')])
    write(computer, 'sub/new.txt/work', 'hours of it\n')
    const ended = await computer.telec('telec-update')
    await expectWhole(computer, ended, commit)
    const [, place = ''] = /^stashed: (\S+telec-aside\S+), moved from /m.exec(ended.stderr) ?? []
    expect(readFileSync(join(place, 'work'), 'utf8')).toBe('hours of it\n')
  })

  test('where git had not begun, it is as always: the update halts, and nothing is half-way', async () => {
    const computer = await computerWithFiles()
    await interrupted(computer, 'before')
    write(computer, 'a.txt', "a person's edit\n")
    mkdirSync(at(computer, 'sub'))
    write(computer, 'sub/new.txt', "the service's data\n")
    const files = readTree(computer.checkout)
    expectFailure(await computer.telec('telec-update'), 1, [
      'would overwrite 2 local files',
      'a.txt',
      'sub/new.txt',
    ])
    expect(readTree(computer.checkout)).toEqual(files)
    expect(await rescued(computer)).toBe('')
    expect((await computer.telec('telec', ['status'])).stdout).toMatch(/checkout: +at \w+, which is deployed/)
  })

  test('in the middle of a merge nothing moves until it is over', async () => {
    const computer = await computerWithFiles()
    const commit = await interrupted(computer, 'after')
    write(computer, '.git/MERGE_HEAD', `${await computer.gitInCheckout('rev-parse', 'HEAD')}\n`)
    const files = readTree(computer.checkout)
    expectFailure(await computer.telec('telec-update'), 1, ['a merge is in progress'])
    expect(readTree(computer.checkout)).toEqual(files)
    expect((await computer.telec('telec', ['status'])).stdout).toContain('half-way')
    rmSync(at(computer, '.git/MERGE_HEAD'))
    await expectWhole(computer, await computer.telec('telec-update', ['--retry']), commit)
  })
})

describe('another target, while a move is half-way:', () => {
  test('it is undone first, also where its own filter would not let it be completed', async () => {
    const computer = await computerWithFiles()
    await computer.gitInCheckout('config', 'filter.broken.smudge', 'false')
    await computer.gitInCheckout('config', 'filter.broken.required', 'true')
    await computer.push({ 'a.txt': 'of 1.1.0\n', '.gitattributes': 'z filter=broken\n', z: 'z\n' })
    expectFailure(await watchAndUpdate(computer), 75, ['smudge filter broken failed'])
    expect((await computer.telec('telec', ['status'])).stdout).toContain('half-way')
    expectFailure(await computer.telec('telec-update', ['--retry']), 75, ['smudge filter broken failed'])
    const commit = await computer.push({
      ...version('1.2.0'),
      'a.txt': null,
      '.gitattributes': null,
      z: null,
    })
    await expectWhole(computer, await watchAndUpdate(computer), commit)
    expect(await rescued(computer)).toBe('')
  })

  test('a rollback is where it began', async () => {
    const computer = await computerWithFiles()
    const head = await computer.gitInCheckout('rev-parse', 'HEAD')
    const files = readTree(computer.checkout)
    await interrupted(computer, 'after')
    truncateSync(at(computer, 'a.txt'))
    expectFailure(await computer.telec('telec-update', ['rollback']), 75, ['is under way'])
    const env = await withGit(computer, `case " $* " in *" update-ref "*) exit 1 ;; esac`)
    expectFailure(await computer.telec('telec-update', [], { env }), 75)
    expect(await computer.telec('telec-update', ['rollback'])).toMatchObject({ code: 42 })
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(head)
    expect(readTree(computer.checkout)).toEqual(files)
    expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
  })
})
