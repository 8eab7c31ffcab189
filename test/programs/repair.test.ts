import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { asNobody } from '../helpers/as-nobody.ts'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { unpackAll } from '../helpers/loose.ts'
import { expectFailure } from '../helpers/messages.ts'
import { succeed } from '../helpers/programs.ts'
import { readTree } from '../helpers/tree.ts'
import { watchAndUpdate } from '../helpers/update.ts'

const inGit = (computer: Computer, name: string) => join(computer.checkout, '.git', name)

/** At 1.1.0, every object in a file of its own, with a branch, a change, and a file of a user. */
async function withWork(): Promise<Computer> {
  const computer = await freshComputer()
  await computer.push({ ...version('1.1.0'), 'a.txt': 'a\n', 'own.txt': 'own\n' })
  expect((await watchAndUpdate(computer)).code).toBe(42)
  await unpackAll(computer)
  await computer.gitInCheckout('branch', 'mine')
  writeFileSync(join(computer.checkout, 'own.txt'), 'mine\n')
  writeFileSync(join(computer.checkout, 'untracked.txt'), 'mine\n')
  return computer
}

async function objectAt(computer: Computer, name: string): Promise<string> {
  const id = await computer.gitInCheckout('rev-parse', name)
  return inGit(computer, `objects/${id.slice(0, 2)}/${id.slice(2)}`)
}

/** As a power cut leaves a file. */
function damage(path: string, how: 'empty' | 'zeros'): void {
  const size = how === 'empty' ? 0 : readFileSync(path).length
  chmodSync(path, 0o644)
  writeFileSync(path, Buffer.alloc(size))
}

async function packed(computer: Computer, end: 'pack' | 'idx'): Promise<string> {
  await computer.gitInCheckout('gc', '--quiet')
  const name = readdirSync(inGit(computer, 'objects/pack')).find((file) => file.endsWith(`.${end}`)) ?? ''
  const path = inGit(computer, `objects/pack/${name}`)
  chmodSync(path, 0o644)
  return path
}

type Harm = (computer: Computer) => unknown

const DAMAGES: [what: string, harm: Harm, found: RegExp, plan: RegExp][] = [
  [
    "HEAD's commit",
    async (it) => damage(await objectAt(it, 'HEAD'), 'empty'),
    /objects are missing/,
    /moves 1 broken/,
  ],
  [
    "HEAD's tree",
    async (it) => damage(await objectAt(it, 'HEAD^{tree}'), 'zeros'),
    /objects are missing/,
    /moves 1/,
  ],
  [
    'a missing blob',
    async (it) => rmSync(await objectAt(it, 'HEAD:a.txt')),
    /objects are missing/,
    /again from origin/,
  ],
  [
    'a cut pack',
    async (it) => truncateSync(await packed(it, 'pack'), 100),
    /objects are missing/,
    /again from origin/,
  ],
  [
    'an empty index of a pack',
    async (it) => damage(await packed(it, 'idx'), 'empty'),
    /objects are missing/,
    /again from origin/,
  ],
  [
    'the index, empty',
    (it) => damage(inGit(it, 'index'), 'empty'),
    /index is broken/,
    /recreates it from HEAD/,
  ],
  ['the index, missing', (it) => rmSync(inGit(it, 'index')), /index is missing/, /recreates it from HEAD/],
  [
    'the configuration, empty',
    (it) => damage(inGit(it, 'config'), 'empty'),
    /config is empty/,
    /the remote of the clone/,
  ],
  [
    'the configuration, zeros',
    (it) => damage(inGit(it, 'config'), 'zeros'),
    /config is zeros/,
    /the remote of the clone/,
  ],
  ['HEAD', (it) => damage(inGit(it, 'HEAD'), 'zeros'), /HEAD is zeros/, /record: ref: refs\/heads\/main/],
  ['HEAD, missing', (it) => rmSync(inGit(it, 'HEAD')), /HEAD is missing/, /record: ref: refs\/heads\/main/],
  [
    "HEAD's branch",
    (it) => damage(inGit(it, 'refs/heads/main'), 'empty'),
    /main is broken/,
    /by telec's record/,
  ],
  [
    "HEAD's branch, missing",
    (it) => rmSync(inGit(it, 'refs/heads/main')),
    /main is missing/,
    /by telec's record/,
  ],
  [
    'a branch of a person',
    (it) => damage(inGit(it, 'refs/heads/mine'), 'zeros'),
    /mine is broken/,
    /by its log/,
  ],
  [
    'a branch of the remote',
    (it) => writeFileSync(inGit(it, 'refs/remotes/origin/main'), ''),
    /origin\/main is broken/,
    /moves it away/,
  ],
  [
    "a ref of telec's own",
    (it) => damage(inGit(it, 'refs/telec/kept/heads%2Fmain'), 'zeros'),
    /telec\/kept\/\S+ is broken/,
    /moves it away/,
  ],
  [
    'packed-refs',
    async (it) => {
      await it.gitInCheckout('pack-refs', '--all')
      writeFileSync(inGit(it, 'packed-refs'), `${readFileSync(inGit(it, 'packed-refs'), 'utf8')}\0\0\0`)
    },
    /packed-refs is broken/,
    /keeps its \d good line/,
  ],
  [
    'ORIG_HEAD',
    (it) => writeFileSync(inGit(it, 'ORIG_HEAD'), Buffer.alloc(41)),
    /ORIG_HEAD is broken/,
    /git recreates it/,
  ],
  [
    'the commit-graph',
    async (it) => {
      await it.gitInCheckout('commit-graph', 'write', '--reachable')
      damage(inGit(it, 'objects/info/commit-graph'), 'zeros')
    },
    /commit-graph is broken/,
    /git recreates it/,
  ],
  [
    'the index of many packs',
    async (it) => {
      await it.gitInCheckout('repack', '-d', '--quiet')
      await it.gitInCheckout('multi-pack-index', 'write')
      damage(inGit(it, 'objects/pack/multi-pack-index'), 'zeros')
    },
    /multi-pack-index is broken/,
    /git recreates it/,
  ],
  [
    'objects elsewhere',
    (it) => writeFileSync(inGit(it, 'objects/info/alternates'), '/nowhere/objects\n'),
    /alternates is broken\n\s*git cannot use: \/nowhere\/objects/,
    /keeps its 0 good lines/,
  ],
  [
    'a lock',
    (it) => writeFileSync(inGit(it, 'refs/heads/main.lock'), ''),
    /a killed git left/,
    /moves it away/,
  ],
]

describe('damage is named by telec doctor, shown and then fixed by telec repair, and the next update continues', () => {
  test.each(DAMAGES)('%s', async (what, harm, found, plan) => {
    const computer = await withWork()
    const mine = await computer.gitInCheckout('rev-parse', 'mine')
    await harm(computer)
    const before = readTree(computer.checkout)
    const shown = await computer.telec('telec', ['repair'])
    expect(shown).toMatchObject({ code: 1, stderr: '' })
    expect(shown.stdout).toMatch(found)
    expect(shown.stdout).toMatch(plan)
    expect(shown.stdout).toContain('to repair: telec repair --yes')
    const doctor = (await computer.telec('telec', ['doctor'])).stdout
    expect(doctor).toMatch(found)
    expect(doctor).toContain('telec repair')
    expect(readTree(computer.checkout)).toEqual(before)

    const done = await computer.telec('telec', ['repair', '--yes'])
    expect(done, done.stdout + done.stderr).toMatchObject({ code: 0 })
    expect(done.stdout).toMatch(/repaired: \d; replaced files are kept in \S+\.git\/telec-aside\//)
    expect(await computer.telec('telec', ['repair'])).toMatchObject({
      code: 0,
      stdout: 'nothing to repair\n',
    })
    expect(await computer.gitInCheckout('rev-parse', 'mine'), what).toBe(mine)
    await computer.push({ ...version('1.2.0'), 'a.txt': 'aa\n' })
    const ended = await watchAndUpdate(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    for (const [name, text] of Object.entries({
      'a.txt': 'aa\n',
      'own.txt': 'mine\n',
      'untracked.txt': 'mine\n',
    }))
      expect(readFileSync(join(computer.checkout, name), 'utf8')).toBe(text)
    expect(await computer.gitInCheckout('fsck', '--no-dangling')).toBe('')
  })
})

test.each<[string, (index: string) => void]>([
  ['is damaged', (index) => damage(index, 'zeros')],
  ['is missing', (index) => rmSync(index)],
  ['is broken', (index) => truncateSync(index, 60)],
])(
  'an update whose index %s halts with telec repair as its hint, and goes on after it',
  async (what, harm) => {
    const computer = await withWork()
    await computer.push({ ...version('1.2.0'), 'a.txt': 'aa\n' })
    expect((await computer.telec('telec-watch')).code).toBe(0)
    harm(inGit(computer, 'index'))
    expectFailure(await computer.telec('telec-update'), 1, [what, 'telec repair'])
    const { code, stdout } = await computer.telec('telec', ['repair', '--yes'])
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('then run: telec-update --retry'),
    })
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
  },
)

describe('what only a log has any more', () => {
  const stashes = async (computer: Computer) => {
    const git = (...args: string[]) => computer.gitInCheckout(...args)
    for (const text of ['one\n', 'two\n']) {
      writeFileSync(join(computer.checkout, 'own.txt'), text)
      await git('-c', 'user.name=a', '-c', 'user.email=a@b', 'stash', 'push', '--quiet')
    }
    return [await git('rev-parse', 'stash@{0}'), await git('rev-parse', 'stash@{1}')] as const
  }

  test('is restored where packed-refs is missing', async () => {
    const computer = await withWork()
    const [newest] = await stashes(computer)
    await computer.gitInCheckout('pack-refs', '--all')
    rmSync(inGit(computer, 'packed-refs'))
    expect((await computer.telec('telec', ['doctor'])).stdout).toMatch(/refs\/heads\/mine is missing/)
    expect(await computer.telec('telec', ['repair', '--yes'])).toMatchObject({ code: 0 })
    expect(await computer.gitInCheckout('rev-parse', 'refs/stash')).toBe(newest)
    expect(await computer.gitInCheckout('rev-parse', 'mine')).toBe(
      await computer.gitInCheckout('rev-parse', 'HEAD'),
    )
  })

  test('is kept where its last commit is lost', async () => {
    const computer = await withWork()
    const [, older] = await stashes(computer)
    damage(await objectAt(computer, 'refs/stash'), 'empty')
    const plan = await computer.telec('telec', ['repair'])
    expect(plan.stdout).toContain('older stashes are kept under refs/telec/rescued/')
    expect(await computer.telec('telec', ['repair', '--yes'])).toMatchObject({ code: 0 })
    const kept = await computer.gitInCheckout('for-each-ref', '--format=%(objectname)', 'refs/telec/rescued')
    expect(kept.split('\n')).toContain(older)
  })
})

test('staged changes are kept in a ref that is named, and stay in the work tree', async () => {
  const computer = await withWork()
  writeFileSync(join(computer.checkout, 'a-staged.txt'), 'staged\n')
  await computer.gitInCheckout('add', 'a-staged.txt')
  const size = readFileSync(inGit(computer, 'index')).length
  truncateSync(inGit(computer, 'index'), size - 30)
  const done = await computer.telec('telec', ['repair', '--yes'])
  const [, ref = ''] = /kept the staged changes in (refs\/\S+)/.exec(done.stderr) ?? []
  expect(await computer.gitInCheckout('show', `${ref}:a-staged.txt`)).toBe('staged')
  expect(readFileSync(join(computer.checkout, 'a-staged.txt'), 'utf8')).toBe('staged\n')
})

test('a commit of a user that the broken branch named is kept in a ref', async () => {
  const computer = await withWork()
  await computer.gitInCheckout('commit', '--quiet', '--all', '--message', 'mine')
  const commit = await computer.gitInCheckout('rev-parse', 'HEAD')
  damage(inGit(computer, 'refs/heads/main'), 'zeros')
  const done = await computer.telec('telec', ['repair', '--yes'])
  expect(done.stdout).toContain(`and keeps ${commit.slice(0, 12)} of its log`)
  const kept = await computer.gitInCheckout('for-each-ref', '--format=%(objectname)', 'refs/telec/rescued')
  expect(kept).toBe(commit)
})

describe('damage that telec cannot repair is named, with a hint, and left alone', () => {
  const CASES: [string, Harm, RegExp, RegExp][] = [
    [
      'a merge of a person',
      async (it) =>
        writeFileSync(inGit(it, 'MERGE_HEAD'), `${await it.gitInCheckout('rev-parse', 'mine')}\n`),
      /a merge is unfinished/,
      /merge --abort/,
    ],
    [
      'a line of the configuration',
      (it) => writeFileSync(inGit(it, 'config'), '[core\n'),
      /git cannot read .*config/,
      /correct that line/,
    ],
    [
      'a format that this git does not know',
      async (it) => {
        await it.gitInCheckout('config', 'extensions.fromTheFuture', 'true')
        await it.gitInCheckout('config', 'core.repositoryFormatVersion', '1')
      },
      /this git is too old for the repository/,
      /install the version of git/,
    ],
  ]
  test.each(CASES)('%s', async (_, harm, found, hint) => {
    const computer = await withWork()
    await harm(computer)
    const before = readTree(computer.checkout)
    const { code, stdout } = await computer.telec('telec', ['repair', '--yes'])
    expect(code).toBe(1)
    expect(stdout).toMatch(found)
    expect(stdout).toMatch(hint)
    expect(readTree(computer.checkout)).toEqual(before)
    expect((await computer.telec('telec', ['doctor'])).stdout).toMatch(found)
  })

  test('objects that the remote does not have either', async () => {
    const computer = await withWork()
    await computer.gitInCheckout('commit', '--quiet', '--all', '--message', 'mine')
    rmSync(await objectAt(computer, 'HEAD:own.txt'))
    const { code, stdout, stderr } = await computer.telec('telec', ['repair', '--yes'])
    expect(code).toBe(1)
    expect(stderr).toContain('origin lacks objects of HEAD')
    expect(stdout).toContain('what to do: clone it again beside it')
  })

  test('files of root: the chown is named', async () => {
    const computer = await withWork()
    chmodSync(computer.folder, 0o755)
    await succeed('chown', ['-R', '65534:65534', computer.checkout, computer.home])
    await succeed('chown', ['-R', '0:0', inGit(computer, 'logs')])
    const { code, stdout } = await asNobody(computer.folder, 'telec', ['repair', '--yes'], computer.env)
    expect(code).toBe(1)
    expect(stdout).toMatch(/other users than nobody own .*\n.*\.git\/logs/)
    expect(stdout).toContain(`sudo chown -R nobody ${computer.checkout}`)
  })
})

test('telec repair --json changes nothing without --yes, and says what it did with it', async () => {
  const computer = await withWork()
  rmSync(inGit(computer, 'HEAD'))
  const shown = JSON.parse((await computer.telec('telec', ['repair', '--json'])).stdout)
  expect(shown).toMatchObject({
    repaired: [],
    aside: null,
    left: [{ what: expect.stringContaining('HEAD is missing') }],
  })
  expect(existsSync(inGit(computer, 'HEAD'))).toBe(false)
  const done = JSON.parse((await computer.telec('telec', ['repair', '--json', '--yes'])).stdout)
  expect(done).toMatchObject({ repaired: [expect.stringContaining('HEAD is missing')], left: [] })
})
