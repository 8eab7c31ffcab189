import { existsSync, lstatSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { succeed } from '../helpers/programs.ts'
import {
  addSubmodule,
  commitTo,
  configureSubmodules,
  followRemote,
  inCheckout,
  putAside,
  removePath,
} from '../helpers/submodules.ts'
import { untouched, watchAndUpdate } from '../helpers/update.ts'
import { withGit } from '../helpers/with-git.ts'

interface Place {
  readonly computer: Computer
  /** Where the submodule at `lib` comes from. */
  readonly library: string
  readonly work: string
}

async function withSubmodule(...options: string[]): Promise<Place> {
  const computer = await freshComputer()
  const library = join(computer.folder, 'library')
  const work = join(computer.folder, 'work')
  await commitTo(library, { 'lib.txt': 'one\n', 'other.txt': 'one\n' })
  await addSubmodule(work, `file://${library}`, 'lib', ...options)
  await computer.push(version('1.1.0'))
  return { computer, library, work }
}

/** The same, on a computer that has it. */
async function deployed(): Promise<Place> {
  const place = await withSubmodule()
  configureSubmodules(place.computer)
  await expectUpdated(place.computer)
  return place
}

async function expectUpdated(computer: Computer, ...args: string[]): Promise<string> {
  const ended = await watchAndUpdate(computer, args)
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
  return ended.stderr
}

function inLibrary(computer: Computer, ...args: string[]): Promise<string> {
  return succeed('git', ['-C', join(computer.checkout, 'lib'), ...args])
}

describe('submodules', () => {
  test('follow the target where that is configured', async () => {
    const { computer, library } = await withSubmodule()
    configureSubmodules(computer)
    expect(await expectUpdated(computer)).toContain('with its submodules')
    expect(inCheckout(computer, 'lib/lib.txt')).toBe('one\n')
    await commitTo(library, { 'lib.txt': 'two\n' })
    await followRemote(computer, 'lib')
    await computer.push(version('1.2.0'))
    await expectUpdated(computer)
    expect(inCheckout(computer, 'lib/lib.txt')).toBe('two\n')
  })

  test('are not followed by default, and the log says so', async () => {
    const { computer } = await withSubmodule()
    expect(await expectUpdated(computer)).toContain('skipped submodules (deployment.submodules)')
  })

  test('that are out of reach are tried again later', async () => {
    const { computer, library } = await withSubmodule()
    configureSubmodules(computer)
    renameSync(library, `${library}-gone`)
    expectFailure(await watchAndUpdate(computer), 75, ['git submodule failed'])
    renameSync(`${library}-gone`, library)
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
    expect(inCheckout(computer, 'lib/lib.txt')).toBe('one\n')
  })

  test('whose remote lacks the commit are tried again later, and nothing is touched until it has it', async () => {
    const { computer, library, work } = await deployed()
    const commit = await commitTo(join(work, 'lib'), { 'lib.txt': 'not pushed\n' })
    await computer.push(version('1.2.0'))
    const before = await untouched(computer)
    expectFailure(await watchAndUpdate(computer), 75, ['the remote of the submodule lib lacks the commit'])
    expect(await untouched(computer)).toMatchObject({ ...(before as object), signal: expect.anything() })
    await succeed('git', ['-C', join(work, 'lib'), 'push', '--quiet', library, `${commit}:refs/heads/new`])
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
    expect(inCheckout(computer, 'lib/lib.txt')).toBe('not pushed\n')
  })

  test('that are shallow move, also to a commit that is on no branch any more', async () => {
    const { computer, library, work } = await withSubmodule('--depth', '1')
    await computer.git('config', '--file', '.gitmodules', 'submodule.lib.shallow', 'true')
    await commitTo(library, { 'lib.txt': 'two\n' })
    await computer.push(version('1.1.1'))
    configureSubmodules(computer)
    await expectUpdated(computer)
    await followRemote(computer, 'lib')
    await commitTo(library, { 'lib.txt': 'three\n' })
    await succeed('git', ['-C', library, 'reset', '--quiet', '--hard', 'HEAD~2'])
    await computer.push(version('1.2.0'))
    await expectUpdated(computer)
    expect(await inLibrary(computer, 'rev-parse', 'HEAD')).toBe(
      await succeed('git', ['-C', join(work, 'lib'), 'rev-parse', 'HEAD']),
    )
    expect(await inLibrary(computer, 'rev-parse', '--is-shallow-repository')).toBe('true')
  })

  test.each([
    ['a command', 'ext::sh -c "touch /tmp/telec-was-here"'],
    ['another transport than the remote’s', 'https://127.0.0.1:1/lib.git'],
  ])('at %s are refused, and the service is left alone', async (_, url) => {
    const { computer } = await withSubmodule()
    configureSubmodules(computer)
    await computer.git('config', '--file', '.gitmodules', 'submodule.lib.url', url)
    await computer.push(version('1.1.1'))
    expectFailure(await watchAndUpdate(computer), 1, ['the URL of a submodule does not use file'])
  })
})

describe('a submodule that is another one, or none, from one version on', () => {
  const other = async ({ computer, work }: Place, ...options: string[]) => {
    const path = join(computer.folder, 'other')
    await commitTo(path, { 'lib.txt': 'other\n' })
    await removePath(computer, 'lib')
    await computer.git('commit', '--quiet', '--message', 'between')
    await addSubmodule(work, `file://${path}`, 'lib', '--force', ...options)
  }
  test.each<[string, (place: Place) => Promise<unknown>, string | null, string | null]>([
    [
      'a folder with files of the same names',
      async ({ computer }) => {
        await removePath(computer, 'lib')
        await computer.push({ 'lib/lib.txt': 'vendored\n', 'lib/cache/x': 'theirs\n' })
      },
      'lib/lib.txt',
      'vendored\n',
    ],
    [
      'a file',
      async ({ computer }) => {
        await removePath(computer, 'lib')
        await computer.push({ lib: 'a file\n' })
      },
      'lib',
      'a file\n',
    ],
    ['nothing', ({ computer }) => removePath(computer, 'lib'), 'lib', null],
    ['at another path', ({ computer }) => computer.git('mv', 'lib', 'vendor'), 'vendor/lib.txt', 'one\n'],
    ['another repository by the same name', (place) => other(place), 'lib/lib.txt', 'other\n'],
    [
      'another repository by another name',
      (place) => other(place, '--name', 'second'),
      'lib/lib.txt',
      'other\n',
    ],
  ])('%s: what a service left in it is kept', async (_, change, path, text) => {
    const place = await deployed()
    const { computer } = place
    writeFileSync(join(computer.checkout, 'lib', 'cache'), 'of the service\n')
    await change(place)
    await computer.push(version('1.2.0'))
    const ended = await watchAndUpdate(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    if (path && text !== null) expect(inCheckout(computer, path)).toBe(text)
    else expect(existsSync(join(computer.checkout, 'lib'))).toBe(false)
    const cache = join(computer.checkout, 'lib', 'cache')
    const isInPlace =
      existsSync(cache) &&
      lstatSync(cache).isFile() &&
      inCheckout(computer, 'lib/cache') === 'of the service\n'
    if (!isInPlace) {
      expect(putAside(computer, 'cache')).toEqual(['of the service\n'])
      expect(ended.stderr).toMatch(/^stashed: \S+\/telec-aside\/[0-9a-f]{12}\/lib/m)
    }
    await computer.push(version('1.3.0'))
    expect((await watchAndUpdate(computer)).code).toBe(42)
  })

  test('a clean one leaves nothing behind, and may come back', async () => {
    const { computer, library, work } = await deployed()
    await removePath(computer, 'lib')
    await computer.push(version('1.2.0'))
    expect(await expectUpdated(computer)).not.toContain('stashed')
    expect(existsSync(join(computer.checkout, 'lib'))).toBe(false)
    expect(existsSync(join(computer.checkout, '.git', 'telec-aside'))).toBe(false)
    await addSubmodule(work, `file://${library}`, 'lib')
    await computer.push(version('1.3.0'))
    await expectUpdated(computer)
    expect(inCheckout(computer, 'lib/lib.txt')).toBe('one\n')
  })

  test('a folder that becomes one: what a service left in it is kept', async () => {
    const computer = await freshComputer()
    await computer.push({ 'lib/lib.txt': 'plain\n', ...version('1.1.0') })
    configureSubmodules(computer)
    await expectUpdated(computer)
    writeFileSync(join(computer.checkout, 'lib', 'cache'), 'of the service\n')
    const library = join(computer.folder, 'library')
    await commitTo(library, { 'lib.txt': 'one\n' })
    await removePath(computer, 'lib')
    await addSubmodule(join(computer.folder, 'work'), `file://${library}`, 'lib')
    await computer.push(version('1.2.0'))
    expect(await expectUpdated(computer)).toContain('/telec-aside/')
    expect(inCheckout(computer, 'lib/lib.txt')).toBe('one\n')
    expect(putAside(computer, 'cache')).toEqual(['of the service\n'])
  })
})

describe('what a user did in a submodule', () => {
  async function pushMove({ computer, library }: Place): Promise<void> {
    await commitTo(library, { 'lib.txt': 'two\n' })
    await followRemote(computer, 'lib')
    await computer.push(version('1.2.0'))
  }

  test('stays as it is where the update does not touch it', async () => {
    const place = await deployed()
    writeFileSync(join(place.computer.checkout, 'lib', 'other.txt'), 'by hand\n')
    await pushMove(place)
    expect((await watchAndUpdate(place.computer)).code).toBe(42)
    expect(inCheckout(place.computer, 'lib/lib.txt')).toBe('two\n')
    expect(inCheckout(place.computer, 'lib/other.txt')).toBe('by hand\n')
  })

  test.each(['moves', 'goes'])(
    'halts an update in which it %s, before anything is touched; --stash keeps it',
    async (how) => {
      const place = await deployed()
      const { computer } = place
      writeFileSync(join(computer.checkout, 'lib', 'lib.txt'), 'by hand\n')
      if (how === 'moves') await pushMove(place)
      else {
        await removePath(computer, 'lib')
        await computer.push(version('1.2.0'))
      }
      const before = await computer.gitInCheckout('rev-parse', 'HEAD')
      for (const args of [[], ['--retry']]) {
        expectFailure(await watchAndUpdate(computer, args), 1, [
          'would overwrite 1 local file in submodules',
          'lib.txt',
        ])
        expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(before)
        expect(inCheckout(computer, 'lib/lib.txt')).toBe('by hand\n')
      }
      const ended = await computer.telec('telec-update', ['--stash'])
      expect(ended, ended.stderr).toMatchObject({ code: 42 })
      expect(ended.stderr).toMatch(/^stashed: /m)
      if (how === 'goes') return expect(putAside(computer, 'lib.txt')).toEqual(['by hand\n'])
      const [, ref = ''] = /cherry-pick --no-commit (refs\/\S+)/.exec(ended.stderr) ?? []
      expect(await inLibrary(computer, 'show', `${ref}:lib.txt`)).toBe('by hand')
      expect(inCheckout(computer, 'lib/lib.txt')).toBe('two\n')
    },
  )

  test('halts an update before another submodule is removed, also where it is in a nested one', async () => {
    const place = await deployed()
    const { computer, library, work } = place
    const inner = join(computer.folder, 'inner')
    await commitTo(inner, { 'inner.txt': 'one\n' })
    await addSubmodule(library, `file://${inner}`, 'inner')
    await commitTo(library, {})
    await followRemote(computer, 'lib')
    await addSubmodule(work, `file://${inner}`, 'early')
    await computer.push(version('1.1.1'))
    await expectUpdated(computer)
    writeFileSync(join(computer.checkout, 'lib/inner/inner.txt'), 'by hand\n')
    await commitTo(inner, { 'inner.txt': 'two\n' })
    await succeed('git', ['-C', join(library, 'inner'), 'pull', '--quiet'])
    await commitTo(library, {})
    await followRemote(computer, 'lib')
    await removePath(computer, 'early')
    await computer.push(version('1.2.0'))
    const submodules = () => computer.gitInCheckout('submodule', 'status', '--recursive')
    const before = await submodules()
    expectFailure(await watchAndUpdate(computer), 1, ['would overwrite 1 local file', 'lib/inner/inner.txt'])
    expect(await submodules()).toBe(before) // with a + where one is not at the commit of the parent's HEAD
    expect(inCheckout(computer, 'early/inner.txt')).toBe('one\n')
    const ended = await computer.telec('telec-update', ['--stash'])
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(inCheckout(computer, 'lib/inner/inner.txt')).toBe('two\n')
  })

  test('is not called so where only line ends differ', async () => {
    const place = await deployed()
    await commitTo(place.library, { '.gitattributes': '*.txt text\n' })
    await followRemote(place.computer, 'lib')
    await place.computer.push(version('1.1.1'))
    await expectUpdated(place.computer)
    writeFileSync(join(place.computer.checkout, 'lib/lib.txt'), 'one\r\n')
    await pushMove(place)
    await expectUpdated(place.computer)
    expect(inCheckout(place.computer, 'lib/lib.txt')).toBe('two\n')
  })

  test('a commit on no branch is kept under a ref', async () => {
    const place = await deployed()
    const mine = await commitTo(join(place.computer.checkout, 'lib'), { 'mine.txt': 'mine\n' })
    await pushMove(place)
    const ended = await watchAndUpdate(place.computer)
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    const [, ref = ''] = /kept as (refs\/telec\/rescued\/[0-9a-f]+)/.exec(ended.stderr) ?? []
    expect(await inLibrary(place.computer, 'rev-parse', ref)).toBe(mine)
  })
})

describe('a submodule that is half-way when another target comes', () => {
  test.each([
    ['its files have moved', '"$git" "$@"; kill -s KILL $PPID'],
    ['its HEAD has moved', 'case "$*" in *update-ref*) "$git" "$@"; kill -s KILL $PPID ;; esac'],
  ])('is taken back first: %s', async (_, die) => {
    const place = await deployed()
    const { computer, library, work } = place
    await commitTo(library, { 'lib.txt': 'two\n', 'new.txt': 'two\n' })
    await followRemote(computer, 'lib')
    await computer.push(version('1.2.0'))
    const moving = '*modules/lib*read-tree*-m*|*modules/lib*update-ref*telec:*'
    const env = await withGit(computer, `case "$*" in ${moving}) ${die} ;; esac`)
    expect(await watchAndUpdate(computer, [], env)).toMatchObject({ signal: 'SIGKILL' })
    await succeed('git', ['-C', join(work, 'lib'), 'checkout', '--quiet', 'HEAD~1'])
    await computer.push({ ...version('1.3.0'), 'a.txt': 'a\n' })
    await expectUpdated(computer)
    expect(inCheckout(computer, 'lib/lib.txt')).toBe('one\n')
    expect(existsSync(join(computer.checkout, 'lib/new.txt'))).toBe(false)
    expect(await inLibrary(computer, 'for-each-ref', 'refs/telec/rescued', 'refs/telec/stash')).toBe('')
  })
})

describe('a submodule’s repository that is of no use is made again', () => {
  test.each<[string, (gitDir: string) => void, boolean]>([
    ['a clone that was killed', (gitDir) => rmSync(join(gitDir, 'packed-refs'), { force: true }), false],
    ['one without a HEAD', (gitDir) => truncateSync(join(gitDir, 'HEAD')), true],
    ['one without objects', (gitDir) => rmSync(join(gitDir, 'objects'), { recursive: true }), true],
  ])('%s', async (_, damage, isKept) => {
    const place = await deployed()
    const { computer, library } = place
    const gitDir = join(computer.checkout, '.git', 'modules', 'lib')
    if (!isKept) rmSync(join(gitDir, 'refs', 'heads', 'main'))
    damage(gitDir)
    await commitTo(library, { 'lib.txt': 'two\n' })
    await followRemote(computer, 'lib')
    await computer.push(version('1.2.0'))
    if (!isKept) writeFileSync(join(gitDir, 'HEAD'), 'ref: refs/heads/main\n')
    const said = await expectUpdated(computer)
    expect(inCheckout(computer, 'lib/lib.txt')).toBe('two\n')
    expect(said.includes('telec-aside')).toBe(true)
    expect(said.includes('.git%2Fmodules%2Flib')).toBe(isKept)
  })
})

test('submodules in submodules follow, and become folders', async () => {
  const { computer, library } = await withSubmodule()
  const inner = join(computer.folder, 'inner')
  await commitTo(inner, { 'inner.txt': 'one\n' })
  await addSubmodule(library, '../inner', 'inner', '--force').catch(() =>
    addSubmodule(library, `file://${inner}`, 'inner'),
  )
  await commitTo(library, {})
  await followRemote(computer, 'lib')
  await computer.push(version('1.1.1'))
  configureSubmodules(computer)
  await expectUpdated(computer)
  expect(inCheckout(computer, 'lib/inner/inner.txt')).toBe('one\n')
  writeFileSync(join(computer.checkout, 'lib', 'inner', 'cache'), 'of the service\n')
  await succeed('git', ['-C', library, 'rm', '-r', '--quiet', 'inner'])
  await succeed('mkdir', ['-p', join(library, 'inner')])
  await commitTo(library, { 'inner/inner.txt': 'plain\n' })
  await followRemote(computer, 'lib')
  await computer.push(version('1.2.0'))
  await expectUpdated(computer)
  expect(inCheckout(computer, 'lib/inner/inner.txt')).toBe('plain\n')
  expect(putAside(computer, 'cache')).toEqual(['of the service\n'])
})
