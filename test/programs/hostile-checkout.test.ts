import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, markerMigration, version } from '../helpers/computer.ts'
import { type Executed, runTraced } from '../helpers/executed.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { bundles, execute, succeed } from '../helpers/programs.ts'
import { readTree } from '../helpers/tree.ts'
import { untouched, watchAndUpdate } from '../helpers/update.ts'

/** Names under which git, telec or a shell might run a file of the checkout. */
const TRAPS = [
  ...['git', 'sh', 'bash', 'ssh', 'flock', 'sync', 'node', 'gpg', 'gh', 'git-lfs', 'git-remote-https'],
  ...[
    '.husky/post-checkout',
    '.husky/post-merge',
    '.husky/reference-transaction',
    '.husky/post-index-change',
  ],
  ...['hooks/post-checkout', '.git-hooks/post-merge', '.fsmonitor', 'tools/smudge', 'tools/helper'],
  ...['node_modules/.bin/git', 'node_modules/.bin/node', 'bare/hooks/post-checkout', 'migrations/helper.sh'],
]

const INSTALL = '. ./tools/install.sh'

/** What a terminal could take for more than text. */
const NOT_TEXT = /[^\P{Cc}\n\t]|\p{Bidi_Control}/u

const ODD_NAMES = [
  '-rf',
  '--upload-pack=touch pwned',
  '--help',
  ' ',
  'a\nb',
  "it's $(touch pwned) `touch pwned`; touch pwned",
  '\u001b]0;pwned\u0007',
  '\u202ecod.exe',
  'NUL',
  'con.txt',
  'b\u00fcro',
  'bu\u0308ro',
  'README',
  'readme',
  'x'.repeat(250),
]

/** Writes files into the person's clone; scripts can be executed. */
function write(computer: Computer, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const path = join(computer.folder, 'work', name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    if (text.startsWith('#!')) chmodSync(path, 0o755)
  }
}

function trap(computer: Computer): { script: string; ran: () => string } {
  const trace = join(computer.folder, 'was-run')
  return {
    script: `#!/bin/sh\necho "$0 $*" >>${trace}\n`,
    ran: () => (existsSync(trace) ? readFileSync(trace, 'utf8') : ''),
  }
}

/** Pushes a version that brings all that a repository can bring along. */
async function pushEverything(computer: Computer, number: string): Promise<void> {
  const { script } = trap(computer)
  const outside = join(computer.folder, 'outside')
  mkdirSync(outside, { recursive: true })
  write(computer, {
    ...Object.fromEntries(TRAPS.map((name) => [name, `${script}# ${number}\n`])),
    ...Object.fromEntries(ODD_NAMES.map((name) => [`odd/${name}`, `${number}\n`])),
    '.gitattributes':
      '* filter=evil merge=evil diff=evil ident\nodd/* filter=lfs-not merge=ours -text working-tree-encoding=UTF-8\n',
    '.gitconfig':
      '[core]\n\tsshCommand = ./ssh\n\tfsmonitor = ./.fsmonitor\n\thooksPath = hooks\n[filter "evil"]\n\tsmudge = tools/smudge\n\tclean = tools/smudge\n\tprocess = tools/smudge\n[url "ext::tools/helper"]\n\tinsteadOf = /\n',
    '.lfsconfig':
      '[lfs]\n\turl = file:///etc\n\tstandalonetransferagent = evil\n[lfs "customtransfer.evil"]\n\tpath = tools/helper\n',
    '.gitmodules': [
      ['one', 'ext::tools/helper'],
      ['two', 'file:///etc'],
      ['three', '--upload-pack=touch pwned'],
    ]
      .map(([name, url]) => `[submodule "${name}"]\n\tpath = sub/${name}\n\turl = ${url}\n`)
      .join(''),
    'bare/HEAD': 'ref: refs/heads/main\n',
    'bare/config': '[core]\n\tbare = true\n\tfsmonitor = ../.fsmonitor\n',
    'bare/objects/x': '',
    'bare/refs/x': '',
    '.npmrc': `script-shell=./sh\nnode-options=--require ./trap.cjs\n`,
    'trap.cjs': `require('node:fs').appendFileSync('${join(computer.folder, 'was-run')}', 'trap.cjs\\n')\n`,
    'json.py': `open('${join(computer.folder, 'was-run')}', 'a').write('json.py')\n`,
    '.envrc': 'touch pwned\n',
    'tools/install.sh': `echo ${number} >installed\n`,
    ...version(number),
    ...markerMigration(number, '001_a.mjs'),
    [`migrations/v${number}/002_b.sh`]: `#!/bin/sh
case $1 in check) test -e "$TELEC_HOME/${number}.sh" ;; migrate) echo ran >>"$TELEC_HOME/${number}.sh" ;; esac
`,
  })
  for (const [link, target] of [
    ['data', outside],
    ['etc', '/etc'],
    ['up', '../..'],
    ['loop', 'loop'],
    ['gitdir', '.git'],
  ] as const)
    if (!existsSync(join(computer.folder, 'work', link)))
      await succeed('ln', ['-sfn', target, join(computer.folder, 'work', link)])
  await computer.git('add', '--all')
  for (const name of ['one', 'two', 'three']) {
    const commit = await computer.git('rev-parse', 'HEAD')
    await computer.git('update-index', '--add', '--cacheinfo', `160000,${commit},sub/${name}`)
  }
  await computer.git('commit', '--quiet', '--message', number)
  await computer.git('push', '--quiet', 'origin', 'HEAD:main')
}

/** Those that were a file of the checkout, or an interpreter that was given one. */
function fromCheckout({ checkout }: Computer, executed: readonly Executed[]): string[] {
  const isOf = (path: string) => !isAbsolute(path) || path.startsWith(`${checkout}/`)
  return executed
    .filter(({ path, argv: [, script = '-'] }) => isOf(path) || script.startsWith(`${checkout}/`))
    .map(({ path, argv }) => [path, ...argv.slice(1)].join(' ').replaceAll(`${checkout}/`, ''))
}

describe('of a checkout that tries everything', () => {
  test('telec runs the migrations and the install command, and nothing else', async () => {
    const computer = await freshComputer({ initArgs: ['--install', INSTALL] })
    const { ran } = trap(computer)
    // What people set up, or a repository has them set up: husky's folder of hooks, a PATH with relative folders.
    await computer.gitInCheckout('config', 'core.hooksPath', '.husky')
    await computer.gitInCheckout('config', 'core.fsmonitor', './.fsmonitor')
    const options = { cwd: computer.checkout, env: { PATH: `node_modules/.bin:.::${process.env.PATH}` } }
    // The second one moves a checkout that has all of it.
    for (const number of ['1.1.0', '1.2.0']) {
      await pushEverything(computer, number)
      const watched = await runTraced(computer, 'telec-watch', [], options)
      expect(watched, watched.stderr).toMatchObject({ code: 0 })
      expect(fromCheckout(computer, watched.executed)).toEqual([])
      const updated = await runTraced(computer, 'telec-update', [], options)
      expect(updated, updated.stderr).toMatchObject({ code: 42 })
      expect(updated.stderr).not.toMatch(NOT_TEXT)
      const migration = `migrations/v${number}/002_b.sh`
      const calls = [`${migration} check`, `${migration} migrate`, `${migration} check`]
      expect(fromCheckout(computer, updated.executed)).toEqual(calls)
      expect(updated.executed.filter(({ argv }) => argv.at(-1) === INSTALL)).toEqual([
        { path: '/bin/sh', argv: ['/bin/sh', '-c', INSTALL] },
      ])
      const read = (name: string) => readFileSync(join(computer.checkout, name), 'utf8')
      for (const name of ['installed', ...ODD_NAMES.map((odd) => `odd/${odd}`)])
        expect(read(name)).toBe(`${number}\n`)
      expect(readlinkSync(join(computer.checkout, 'data'))).toBe(join(computer.folder, 'outside'))
      for (const name of ['one', 'two', 'three'])
        expect(readdirSync(join(computer.checkout, 'sub', name))).toEqual([])
    }
    expect(ran()).toBe('')
    expect(readdirSync(join(computer.folder, 'outside'))).toEqual([])
    // It ran only programs of the computer.
    const updated = await runTraced(computer, 'telec-update', [], options)
    expect(updated.executed.every(({ path }) => isAbsolute(path))).toBe(true)
  })

  test('that has its own telec: its bundles, too', async () => {
    const computer = await freshComputer()
    const { ran, script } = trap(computer)
    await computer.push({ ...version('1.1.0'), ...bundles((text) => text) })
    expect((await watchAndUpdate(computer)).code).toBe(42)
    const newer = bundles((text) => `${text}\n// newer\n`)
    write(computer, { 'bin/git': script, 'bin/telec-migrate': script, 'bin/flock': script })
    await computer.push({ ...version('1.2.0'), ...newer })
    const own = (name: string) => runTraced(computer, join(computer.checkout, 'bin', name), [])
    const runs = [await own('telec-watch'), await own('telec-update'), await own('telec-update')]
    expect(runs.map(({ code }) => code)).toEqual([0, 42, 42])
    const programs = runs.map(({ executed }) =>
      fromCheckout(computer, executed).map((line) => line.replace(process.execPath, 'node')),
    )
    expect(programs).toEqual([
      ['node bin/telec-watch'],
      ['node bin/telec-update'],
      ['node bin/telec-update', 'node bin/telec install --refresh'],
    ])
    expect(ran()).toBe('')
  })

  test('large files come by git-lfs alone, with any settings of its own', async () => {
    const computer = await freshComputer()
    const { script, ran } = trap(computer)
    const env = { HOME: computer.folder, GIT_CONFIG_GLOBAL: '', GIT_CONFIG_NOSYSTEM: '1' }
    const work = join(computer.folder, 'work')
    const options = { env: { ...computer.env, ...env } }
    expect((await execute('git', ['-C', work, 'lfs', 'install', '--local'], options)).code).toBe(0)
    await computer.git('lfs', 'track', '*.bin')
    write(computer, {
      'tools/helper': script,
      '.lfsconfig':
        '[lfs]\n\tstandalonetransferagent = evil\n\tconcurrenttransfers = 1\n[lfs "customtransfer.evil"]\n\tpath = tools/helper\n',
    })
    await computer.push({ ...version('1.1.0'), 'large.bin': 'one\n' })
    await computer.gitInCheckout('lfs', 'install', '--local')
    for (const text of ['one\n', 'two\n']) {
      await computer.push({ 'large.bin': text, 'note.txt': text })
      const ended = await watchAndUpdate(computer)
      expect(ended, ended.stderr).toMatchObject({ code: 42 })
      expect(readTree(computer.checkout)['large.bin']).toBe(text)
    }
    expect(ran()).toBe('')
  })
})

describe('settings of the user’s own', () => {
  test('are respected: filters, helpers, and files that they include', async () => {
    const computer = await freshComputer()
    const outside = join(computer.folder, 'filter')
    writeFileSync(outside, '#!/bin/sh\ntr a b\n')
    chmodSync(outside, 0o755)
    const own = join(computer.folder, 'own-settings')
    writeFileSync(own, '[user]\n\tname = A Person\n')
    await computer.gitInCheckout('config', 'include.path', own)
    await computer.gitInCheckout('config', 'filter.mine.smudge', outside)
    await computer.gitInCheckout('config', 'filter.mine.clean', 'cat')
    await computer.gitInCheckout('config', 'credential.helper', 'store --file ~/clean')
    await computer.gitInCheckout('config', 'blame.ignoreRevsFile', '.git-blame-ignore-revs')
    await computer.push({ ...version('1.1.0'), '.gitattributes': 'a.txt filter=mine\n', 'a.txt': 'aa\n' })
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(readTree(computer.checkout)['a.txt']).toBe('bb\n')
  })
})

describe('telec’s own configuration is not the checkout’s:', () => {
  test.each<[string, (computer: Computer) => NodeJS.ProcessEnv]>([
    [
      'a file that is a link into it',
      ({ home, checkout }) => {
        writeFileSync(join(checkout, 'config.yml'), readFileSync(join(home, 'config.yml')))
        writeFileSync(join(home, 'config.yml'), '')
        return {}
      },
    ],
    [
      'a home within it',
      ({ home, checkout }) => {
        mkdirSync(join(checkout, '.telec'), { mode: 0o700 })
        writeFileSync(join(checkout, '.telec/config.yml'), readFileSync(join(home, 'config.yml')))
        return { TELEC_HOME: join(checkout, '.telec') }
      },
    ],
  ])('%s is refused', async (_, prepare) => {
    const computer = await freshComputer()
    const env = prepare(computer)
    if (!env.TELEC_HOME)
      await succeed('ln', ['-sf', join(computer.checkout, 'config.yml'), join(computer.home, 'config.yml')])
    for (const [program, args] of [
      ['telec-watch', []],
      ['telec-update', []],
      ['telec-migrate', ['--dry-run']],
      ['telec', ['status']],
    ] as const)
      expectFailure(await computer.telec(program, args, { env }), 78, ['lies in the checkout'])
  })
})

describe('trees that git itself would not make', () => {
  test.each<[string, string, boolean?]>([
    ['a .git', '.git'],
    ['a .GIT, for disks that tell no case', '.GIT'],
    ['a git~1, for disks with short names', 'git~1'],
    ['a way up', '..'],
    ['a name with a backslash', 'a\\b', true],
  ])('%s', async (_, name, isTaken = false) => {
    const computer = await freshComputer()
    const work = join(computer.folder, 'work')
    const git = (args: readonly string[], input = '') => succeed('git', ['-C', work, ...args], { input })
    const blob = await git(['hash-object', '-w', '--stdin'], '[core]\n\tfsmonitor = ./evil\n')
    const inner = await git(['mktree'], `100644 blob ${blob}\tconfig\n`)
    const first = await git(['ls-tree', 'HEAD'])
    const tree = await git(['mktree'], `${first}\n040000 tree ${inner}\t${name}\n`)
    const person = ['-c', 'user.name=A Person', '-c', 'user.email=person@example.org']
    const commit = await git([...person, 'commit-tree', '-p', 'HEAD', '-m', 'evil', tree])
    await git(['push', '--quiet', 'origin', `${commit}:main`])
    const settings = readFileSync(join(computer.checkout, '.git/config'), 'utf8')
    const above = Object.keys(readTree(computer.folder)).filter(
      (path) => !/^(app|home|work|remote)/.test(path),
    )
    const before = await untouched(computer)
    expect((await computer.telec('telec-watch')).code).toBe(0)
    const ended = await computer.telec('telec-update')
    if (isTaken) expect(ended, ended.stderr).toMatchObject({ code: 42 })
    else {
      expectFailure(ended, 1, [name])
      expect(await untouched(computer)).toEqual({ ...(before as object), signal: expect.anything() })
    }
    expect(readFileSync(join(computer.checkout, '.git/config'), 'utf8')).toBe(settings)
    expect(
      Object.keys(readTree(computer.folder)).filter((path) => !/^(app|home|work|remote)/.test(path)),
    ).toEqual(above)
  })
})
