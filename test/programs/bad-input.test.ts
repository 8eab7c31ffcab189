import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { type ProgramName, succeed } from '../helpers/programs.ts'
import { readTree } from '../helpers/tree.ts'
import { untouched } from '../helpers/update.ts'

/** Every program that reads the configuration, with arguments that do no harm. */
const PROGRAMS: [ProgramName, string[]][] = [
  ['telec-watch', []],
  ['telec-update', []],
  ['telec-migrate', ['--dry-run']],
  ['telec', ['status']],
  ['telec', ['watch']],
  ['telec', ['update']],
  ['telec', ['migrate', '--dry-run']],
  ['telec', ['install', '--print']],
  ['telec', ['run', '--', 'true']],
]
const named = PROGRAMS.map(([program, args]) => [[program, ...args].join(' '), program, args] as const)

/** Runs a program that must fail, leave all files as they are, and name the file. */
async function fails(
  computer: Computer,
  [program, args]: readonly [ProgramName, readonly string[]],
  code: number,
  parts: readonly string[],
): Promise<void> {
  const before = withoutLock(readTree(computer.home))
  const ended = await computer.telec(program, args)
  expectFailure(ended, code, parts)
  expect(withoutLock(readTree(computer.home))).toEqual(before)
}

/** The lock file names the last process. */
function withoutLock({ 'telec.lock': _, ...files }: Record<string, string>): Record<string, string> {
  return files
}

/** Puts the checkout into a folder of this mode. */
function moveInto({ folder, checkout, writeConfig }: Computer, mode: number): void {
  const around = join(folder, 'around')
  mkdirSync(around)
  chmodSync(around, mode)
  renameSync(checkout, join(around, 'app'))
  writeConfig(`deployment:\n  checkout: ${join(around, 'app')}\n`)
}

describe('the configuration', () => {
  test.each(named)('that is missing: %s says how to write one', async (_, program, args) => {
    const computer = await freshComputer({ init: false })
    mkdirSync(computer.home)
    await fails(computer, [program, args], 78, [join(computer.home, 'config.yml'), 'telec init --checkout'])
  })

  test.each(named)('that is wrong: %s names its line and its key', async (_, program, args) => {
    const computer = await freshComputer()
    computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  chanel: beta # a slip\n`)
    await fails(computer, [program, args], 78, [
      `${join(computer.home, 'config.yml')}:3: `,
      'deployment.chanel',
      'no such key',
    ])
  })

  test.each<[string, string, number, string[]]>([
    ['that is no YAML', 'deployment: [\n', 2, []],
    ['that is empty', '', 1, ['deployment: missing']],
    [
      'that has an alias to nothing',
      'deployment:\n  checkout: *here\n',
      2,
      ['a * at the start of a value needs quotes'],
    ],
    ['that is binary', '\u0000\u0001\u0002', 1, []],
    [
      'that has a wrong type',
      'deployment:\n  checkout: /srv\n  poll_every: 60\n',
      3,
      ['deployment.poll_every: got 60; takes a time'],
    ],
    [
      'that has a URL that is none',
      'deployment:\n  checkout: /srv\n  remote: ssh://git@gith]ub.com/ann/web.git\n',
      3,
      [
        'deployment.remote: got a value that is not shown',
        "takes the name of one of the checkout's remotes, or a URL",
      ],
    ],
    [
      'that has a mirror with a port that is none',
      'deployment:\n  checkout: /srv\n  mirrors: [https://example.org:99999/web.git]\n',
      3,
      ['deployment.mirrors.…: got a value that is not shown'],
    ],
    [
      'of megabytes',
      `deployment:\n  checkout: /srv\n${'# and so on\n'.repeat(500_000)}`,
      1,
      ['the file is larger than 64 KiB'],
    ],
    [
      'of two documents',
      'deployment:\n  checkout: /srv/web\n---\nservice: {}\n',
      3,
      ['a second document begins'],
    ],
    ['that nests without end', `deployment:\n${'{'.repeat(60_000)}`, 2, ['nest more than 64 deep']],
    ['that is wrong on each line', '@\n'.repeat(30_000), 1, []],
  ])('%s', async (_, text, line, parts) => {
    const computer = await freshComputer()
    computer.writeConfig(text)
    await fails(computer, ['telec-watch', []], 78, [
      `${join(computer.home, 'config.yml')}:${line}: `,
      ...parts,
    ])
  })

  test.each([
    ['the configuration', 'config.yml', 'telec-watch'],
    ['a state file', 'update_state.json', 'telec-watch'],
    ['what is waiting', 'update_signal.json', 'telec-update'],
  ] as const)(
    'a pipe in the place of %s is refused, and nothing waits for who writes to it',
    async (_, name, program) => {
      const computer = await freshComputer()
      rmSync(join(computer.home, name), { force: true })
      await succeed('mkfifo', [join(computer.home, name)])
      expectFailure(await computer.telec(program), 1, [
        `cannot read ${join(computer.home, name)}`,
        'a pipe or a device',
      ])
    },
  )

  test.each(named)('below a file: %s', async (_, program, args) => {
    const computer = await freshComputer()
    const home = join(computer.home, 'config.yml', 'home')
    const ended = await computer.telec(program, args, { env: { TELEC_HOME: home } })
    expectFailure(ended, 78, ['no configuration', home])
  })

  test('that is a folder', async () => {
    const computer = await freshComputer()
    rmSync(join(computer.home, 'config.yml'))
    mkdirSync(join(computer.home, 'config.yml'))
    const ended = await computer.telec('telec-watch')
    expectFailure(ended, 1, [join(computer.home, 'config.yml')])
  })

  test('that is a link, into a folder of dotfiles for example, is read', async () => {
    const computer = await freshComputer()
    const real = join(computer.folder, 'dotfiles.yml')
    renameSync(join(computer.home, 'config.yml'), real)
    symlinkSync(real, join(computer.home, 'config.yml'))
    expect((await computer.telec('telec-watch')).code).toBe(0)
  })
})

describe('the checkout and its remote', () => {
  test.each<[string, (computer: Computer) => unknown, string]>([
    ['a checkout that is gone', ({ checkout }) => rmSync(checkout, { recursive: true }), 'is not a folder'],
    [
      'a checkout that is no git work tree',
      ({ checkout }) => rmSync(join(checkout, '.git'), { recursive: true }),
      'not a git work tree',
    ],
    [
      'a checkout that is a file',
      ({ checkout }) => {
        rmSync(checkout, { recursive: true })
        writeFileSync(checkout, '')
      },
      'is not a folder',
    ],
    [
      'a .git file that names nothing',
      ({ checkout }) => {
        rmSync(join(checkout, '.git'), { recursive: true })
        writeFileSync(join(checkout, '.git'), 'nonsense')
      },
      'names no folder',
    ],
    [
      'a checkout of a user who has no name here',
      ({ checkout }) => succeed('chown', ['-R', '54321', checkout]),
      'belongs to another user (uid 54321, telec runs as 0)',
    ],
    [
      'a .git of root in a folder of somebody who could replace it',
      ({ checkout }) => succeed('chown', ['nobody', checkout]),
      'which others can change or replace',
    ],
    [
      'a link to a checkout of root, by somebody who could turn it elsewhere',
      async ({ checkout }) => {
        renameSync(checkout, `${checkout}.real`)
        symlinkSync(`${checkout}.real`, checkout)
        await succeed('chown', ['--no-dereference', 'nobody', checkout])
      },
      'which others can change or replace',
    ],
    [
      'a checkout of another user in a folder that everybody may write',
      async (computer) => {
        moveInto(computer, 0o777)
        await succeed('chown', ['-R', 'nobody', join(computer.folder, 'around/app')])
      },
      'belongs to another user (nobody)',
    ],
    [
      "a checkout of root's in a folder that everybody may write",
      (computer) => moveInto(computer, 0o777),
      'which others can change or replace',
    ],
    [
      "a checkout of root's in a folder that a group may write",
      (computer) => moveInto(computer, 0o775),
      'which others can change or replace',
    ],
    [
      'a linked work tree whose repository others could replace',
      async ({ folder, checkout, gitInCheckout }) => {
        await gitInCheckout('worktree', 'add', '--quiet', '--detach', join(folder, 'linked'))
        mkdirSync(join(folder, 'open'))
        renameSync(checkout, join(folder, 'open/app'))
        chmodSync(join(folder, 'open'), 0o777)
        const git = join(folder, 'open/app/.git/worktrees/linked')
        writeFileSync(join(folder, 'linked/.git'), `gitdir: ${git}\n`)
        renameSync(join(folder, 'linked'), checkout)
      },
      'which others can change or replace',
    ],
  ])('%s is a wrong configuration', async (_, spoil, part) => {
    const computer = await freshComputer()
    await spoil(computer)
    for (const program of ['telec-watch', 'telec-update'] as const)
      await fails(computer, [program, []], 78, ['deployment.checkout is', '/app', part])
  })

  test('a remote that the checkout does not have is a wrong configuration, and the message lists those it has', async () => {
    const computer = await freshComputer({ initArgs: ['--remote', 'upstream'] })
    await fails(computer, ['telec-watch', []], 78, ['upstream', 'lists: origin', 'remote add upstream'])
  })

  test.each<[string, (computer: Computer) => string]>([
    ['a folder that is not there', ({ folder }) => join(folder, 'gone.git')],
    ['a port where nobody listens', () => 'http://127.0.0.1:1/web.git'],
    ['a protocol that runs a command', ({ folder }) => `ext::touch ${folder}/tricked`],
  ])('%s as the remote is tried again later', async (_, url) => {
    const computer = await freshComputer()
    await computer.gitInCheckout('remote', 'set-url', 'origin', url(computer))
    expectFailure(await computer.telec('telec-watch'), 75, ['remote origin is out of reach'])
    expect(existsSync(join(computer.folder, 'tricked'))).toBe(false)
  })

  test('a password in the URL of the remote is not shown', async () => {
    const computer = await freshComputer({ initArgs: ['--remote', 'http://ann:secret@127.0.0.1:1/web.git'] })
    const { code, stderr } = await computer.telec('telec-watch')
    expect(code).toBe(75)
    expect(stderr).toContain('127.0.0.1:1/web.git')
    expect(stderr).not.toContain('secret')
    expect(JSON.stringify(computer.state('watch_state.json'))).not.toContain('secret')
  })
})

const BROKEN: [string, string, string][] = [
  ['cut short', '{"applied": ["1.0', 'JSON'],
  ['empty', '', 'the file is empty'],
  ['full of zeros, as after a power cut', '\u0000'.repeat(300), ''],
  ['of another shape', '{"applied": 1, "deployed": {"commit": "abc"}, "target": []}', ''],
  ['a list', '[]', ''],
  ['null', 'null', ''],
]

describe('a state file that cannot be understood is left as it is', () => {
  const readers: [string, ProgramName, string[]][] = [
    ['update_signal.json', 'telec-update', []],
    ['update_signal.json', 'telec-watch', []],
    ['update_signal.json', 'telec', ['status']],
    ['update_state.json', 'telec-update', []],
    ['update_state.json', 'telec-watch', []],
    ['update_state.json', 'telec', ['status']],
    ['migration_state.json', 'telec-update', []],
    ['migration_state.json', 'telec-migrate', []],
    ['watch_state.json', 'telec-watch', []],
    ['watch_state.json', 'telec', ['status']],
  ]
  const cases = readers.flatMap(([file, program, args]) =>
    BROKEN.map(
      ([how, text, part]) =>
        [file, how, [program, ...args].join(' '), { program, args, text, part }] as const,
    ),
  )

  test.each(cases)('%s that is %s: %s says so', async (file, _, __, { program, args, text, part }) => {
    const computer = await freshComputer()
    await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    writeFileSync(join(computer.home, file), text)
    const ended = await computer.telec(program, args)
    expectFailure(ended, 1, [join(computer.home, file), 'was not changed', part])
    expect(readFileSync(join(computer.home, file), 'utf8')).toBe(text)
    expect(existsSync(join(computer.home, 'update_signal.json'))).toBe(true)
  })
})

describe('a state file that is a link', () => {
  test.each(['update_state.json', 'migration_state.json'])(
    '%s is not written through, and stays a link',
    async (file) => {
      const computer = await freshComputer()
      const real = join(computer.folder, 'elsewhere.json')
      renameSync(join(computer.home, file), real)
      symlinkSync(real, join(computer.home, file))
      const text = readFileSync(real, 'utf8')
      await computer.push({
        ...version('1.1.0'),
        'migrations/v1.1.0/001_a.mjs': 'export const check = () => true',
      })
      await computer.telec('telec-watch')
      const before = await untouched(computer)
      expectFailure(await computer.telec('telec-update'), 1, [join(computer.home, file), 'symbolic link'])
      expect(readTree(computer.home)[file]).toBe(`-> ${real}`)
      expect(readFileSync(real, 'utf8')).toBe(text)
      expect(await untouched(computer)).toMatchObject({ signal: (before as { signal: unknown }).signal })
    },
  )

  test('status.json is not written through either, and does not keep the update from being done', async () => {
    const computer = await freshComputer()
    const real = join(computer.folder, 'elsewhere.json')
    writeFileSync(real, 'mine\n')
    symlinkSync(real, join(computer.home, 'status.json'))
    await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    const ended = await computer.telec('telec-update')
    expect(ended).toMatchObject({ code: 42, stderr: expect.stringContaining('symbolic link') })
    expect(readFileSync(real, 'utf8')).toBe('mine\n')
  })
})
