import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { asNobody } from '../helpers/as-nobody.ts'
import { type Computer, version } from '../helpers/computer.ts'
import { type Executed, runTraced } from '../helpers/executed.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { type GitHub, serveGitHub } from '../helpers/github.ts'
import { type HttpGit, serveHttpGit } from '../helpers/http-git.ts'
import { expectFailure } from '../helpers/messages.ts'
import { DIST, execute, type ProgramName, succeed } from '../helpers/programs.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { keep, sshSigner } from '../helpers/signing.ts'
import { mode, readTree } from '../helpers/tree.ts'
import { watchAndUpdate } from '../helpers/update.ts'

/** Every secret begins with it; in a URL its @ is encoded. */
const MARK = 'marked-'
const PASSWORD = `${MARK}git@1`
const IN_URL = encodeURIComponent(PASSWORD)
const TOKEN = `${MARK}token`
const REDIS_PASSWORD = `${MARK}redis`

/** How a secret could be written, as far as it can be searched for. */
const FORMS = [MARK, Buffer.from(`ann:${PASSWORD}`).toString('base64'), Buffer.from(MARK).toString('hex')]

interface Scene {
  readonly computer: Computer
  readonly server: HttpGit
  readonly github: GitHub
  readonly redis: RedisServer
  readonly env: NodeJS.ProcessEnv
  /** Runs a program, expects an exit code, and keeps all that it said and executed. */
  run(code: number | null, program: ProgramName, ...args: string[]): Promise<void>
  /** Nothing that was said, executed, written, or sent to Redis holds a secret. */
  expectSecret(): Promise<void>
}

/** Where a secret is kept. */
type Place = 'in URLs and the environment' | 'in files' | 'in what git replaces'

async function scene(place: Place): Promise<Scene> {
  const computer = await freshComputer()
  mkdirSync(join(computer.folder, 'served/ann'), { recursive: true })
  for (const name of ['web.git', 'mirror.git'])
    symlinkSync(computer.remote, join(computer.folder, 'served/ann', name))
  const server = await serveHttpGit(join(computer.folder, 'served'), `ann:${PASSWORD}`)
  const github = await serveGitHub([])
  github.token = TOKEN
  const redis = await startRedis({ requirepass: REDIS_PASSWORD })
  const write = (name: string, text: string) => {
    const path = join(computer.folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  const url = (name: string, login = `ann:${IN_URL}`) => server.url(`ann/${name}`, login)
  const plain = (name: string) => server.url(`ann/${name}`)
  const bin = join(computer.folder, 'bin')
  mkdirSync(bin)
  // A message to systemd is an argument of systemd-notify(1).
  writeFileSync(join(bin, 'systemd-notify'), '#!/bin/sh\n')
  chmodSync(join(bin, 'systemd-notify'), 0o755)
  const env: NodeJS.ProcessEnv = {
    PATH: `${bin}:${process.env.PATH}`,
    HOME: computer.folder,
    NOTIFY_SOCKET: '/nonexistent',
    TELEC_DEBUG: '1',
    GITHUB_TOKEN: '',
    GH_CONFIG_DIR: '/nonexistent',
  }
  const lines = [
    `deployment:\n  checkout: ${computer.checkout}\n  channel: beta\n  releases: github\n  api_url: ${github.url}`,
    '  install: test ! -e broken',
  ]
  if (place === 'in URLs and the environment') {
    env.GITHUB_TOKEN = TOKEN
    await computer.gitInCheckout('remote', 'set-url', 'origin', url('web.git'))
    lines.push(`  mirrors:\n    - ${url('mirror.git')}`)
    lines.push(`redis:\n  url: redis://:${REDIS_PASSWORD}@127.0.0.1:${redis.port}`)
  } else if (place === 'in files') {
    const login = write('login', `username=ann\npassword=${PASSWORD}\n`)
    write('.gitconfig', `[credential]\n\thelper = "!cat ${login};:"\n`)
    lines.push(`  remote: ${plain('web.git')}\n  mirrors:\n    - ${plain('mirror.git')}`)
    lines.push(`  token_file: ${write('token', `${TOKEN}\n`)}`)
    lines.push(`redis:\n  url: ${redis.url}\n  password_file: ${write('password', `${REDIS_PASSWORD}\n`)}`)
  } else {
    env.GITHUB_TOKEN = TOKEN
    write('.gitconfig', `[url "${url('')}"]\n\tinsteadOf = ${plain('')}\n`)
    lines.push(`  remote: ${url('web.git')}\n  mirrors:\n    - ${plain('mirror.git')}`)
    lines.push(`redis:\n  url: redis://default:${REDIS_PASSWORD}@127.0.0.1:${redis.port}`)
  }
  computer.writeConfig(`${lines.join('\n')}\nmetrics: ${join(computer.home, 'telec.prom')}\n`)
  const seen: string[] = []
  return {
    computer,
    server,
    github,
    redis,
    env,
    async run(code, program, ...args) {
      const ended = await runTraced(computer, program, args, { env })
      // A login that is in a URL is git's to pass on to programs of its own.
      const isOurs = ({ path, argv }: Executed) =>
        place === 'in files' || ![path, ...argv].some((one) => GIT.test(one))
      const executed = ended.executed.filter(isOurs)
      seen.push(ended.stdout, ended.stderr, ...executed.flatMap(({ path, argv }) => [path, ...argv]))
      if (code !== null)
        expect(ended, `${program} ${args.join(' ')}\n${ended.stdout}${ended.stderr}`).toMatchObject({ code })
    },
    async expectSecret() {
      const files = { ...readTree(computer.home), ...gitFiles(computer.checkout) }
      delete files['config.yml'] // where a person wrote it
      delete files['.git/config']
      const found = [...seen, ...Object.entries(files).flat(), ...(await contentOf(redis))].filter((text) =>
        FORMS.some((form) => text.includes(form)),
      )
      expect(found).toEqual([])
      for (const name of readdirSync(computer.home))
        if (name !== 'config.yml' && name !== 'telec.prom')
          expect(`${name} ${mode(join(computer.home, name))}`).toBe(`${name} 600`)
    },
  }
}

const GIT = /(^|\/)git(-[a-z-]+)?$/

function gitFiles(checkout: string): Record<string, string> {
  const folder = join(checkout, '.git')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    lstatSync(join(folder, name)).isFile(),
  )
  return Object.fromEntries(files.map((name) => [`.git/${name}`, readFileSync(join(folder, name), 'latin1')]))
}

/** All that is in a Redis, as it gives it. */
async function contentOf(redis: RedisServer): Promise<string[]> {
  const client = redis.client()
  const keys = await client.keys('*')
  const values = await Promise.all(keys.map((key) => client.dumpBuffer(key)))
  return [...keys, ...values.map((value) => value?.toString('latin1') ?? '')]
}

async function release(
  { computer, github }: Scene,
  number: string,
  files: Record<string, string | null> = {},
): Promise<void> {
  await computer.push({ ...version(number), ...files }, { tag: `v${number}` })
  github.releases = [{ tag_name: `v${number}` }, ...github.releases]
}

const PLACES: Place[] = ['in URLs and the environment', 'in files', 'in what git replaces']

describe.each(PLACES)('secrets %s are in no message, argument, file or Redis', (place) => {
  test('while all goes well', async () => {
    const it = await scene(place)
    await release(it, '1.1.0')
    await it.run(0, 'telec-watch')
    await it.run(42, 'telec-update')
    await it.run(0, 'telec-watch', '--explain', '--json')
    await it.run(0, 'telec', 'status')
    await it.run(0, 'telec', 'status', '--json')
    await it.run(0, 'telec', 'status', '--fleet', '--json')
    await it.run(null, 'telec', 'doctor')
    await it.run(0, 'telec', 'install', '--print')
    await it.run(0, 'telec', 'notify', '--channel', 'beta')
    await it.run(0, 'telec', 'history')
    await it.run(0, 'telec', 'metrics')
    await it.run(0, 'telec', 'migrate', 'status')
    expect(await contentOf(it.redis)).not.toEqual([])
    await it.expectSecret()
  })

  test('in every failure', async () => {
    const it = await scene(place)
    await release(it, '1.1.0')
    await it.run(0, 'telec-watch')
    await it.run(42, 'telec-update')
    const both = async (code: number) => {
      await it.run(code, 'telec-watch')
      await it.run(null, 'telec', 'status', '--json')
      await it.run(1, 'telec', 'doctor')
    }
    // The remote refuses, its mirror answers; then nobody does.
    for (const status of [401, 403, 404, 500]) {
      it.server.instead = ({ url = '' }, response) => {
        if (status === 403 && url.includes('mirror')) return false
        response.writeHead(status).end(`<h1>${url}</h1>`)
        return true
      }
      await both(status === 403 ? 0 : status === 500 ? 75 : 78)
    }
    it.server.instead = (_, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:1/${PASSWORD.length}` }).end()
      return true
    }
    await both(75)
    it.server.instead = null
    // GitHub does.
    it.github.token = 'another'
    await both(78)
    it.github.token = TOKEN
    // An update halts, of which all is told.
    await release(it, '1.2.0', { broken: '' })
    await it.run(0, 'telec-watch')
    await it.run(1, 'telec-update')
    await release(it, '1.3.0', { broken: null })
    await it.run(0, 'telec-watch')
    it.server.instead = (_, response) => {
      response.writeHead(500).end()
      return true
    }
    await it.run(75, 'telec-update')
    it.server.instead = null
    await it.run(42, 'telec-update', '--retry')
    // Redis refuses, and is stopped.
    const admin = it.redis.client()
    await admin.config('SET', 'requirepass', 'another')
    await it.run(0, 'telec-watch')
    await it.run(75, 'telec', 'notify')
    await it.run(75, 'telec', 'status', '--fleet')
    await admin.config('SET', 'requirepass', REDIS_PASSWORD)
    await it.expectSecret()
    await it.redis.kill()
    await it.run(75, 'telec', 'notify')
    await it.run(1, 'telec', 'doctor')
    await it.redis.start()
    await it.expectSecret()
  })
})

test('a configuration that is wrong is shown without its passwords', async () => {
  const it = await scene('in URLs and the environment')
  const good = readFileSync(join(it.computer.home, 'config.yml'), 'utf8')
  for (const [from, to] of [
    ['redis://', 'http://'],
    ['/mirror.git', '/mirror.git\n    - -x://ann:marked-p@ss@h/'],
    ['channel: beta', `channel: https://ann:${MARK}x@h/`],
  ] as const) {
    it.computer.writeConfig(good.replace(from, to))
    await it.run(78, 'telec-watch')
  }
  await it.expectSecret()
})

test('a file for a password that others may read is refused', async () => {
  const it = await scene('in files')
  chmodSync(join(it.computer.folder, 'password'), 0o604)
  const ended = await it.computer.telec('telec', ['notify'], { env: it.env })
  expectFailure(ended, 78, ['redis.password_file', 'others may read', 'chmod o='])
})

describe('a configuration that holds a login and that others may read is refused, like the file of a password', () => {
  test.each([
    ['redis.url', 'redis:\n  url: redis://:pw@127.0.0.1:1\n'],
    ['deployment.remote', '  remote: https://ann:pw@127.0.0.1:1/r.git\n'],
    ['deployment.mirrors', '  mirrors: [https://token@127.0.0.1:1/r.git]\n'],
    ['deployment.api_url', '  releases: github\n  channel: beta\n  api_url: https://ann:pw@127.0.0.1:1\n'],
  ])('%s', async (key, lines) => {
    const computer = await freshComputer()
    const config = join(computer.home, 'config.yml')
    computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n${lines}`)
    chmodSync(config, 0o644)
    for (const program of ['telec-watch', 'telec-update'] as const)
      expectFailure(await computer.telec(program), 78, [key, config, 'others may read', `chmod o= ${config}`])
    chmodSync(config, 0o640)
    expect((await computer.telec('telec', ['status'])).code).toBe(0)
  })

  test('and not one that holds none', async () => {
    const computer = await freshComputer()
    computer.writeConfig(
      `deployment:\n  checkout: ${computer.checkout}\n  mirrors: [ssh://git@host/r.git, git@host:r.git]\nredis:\n  url: redis://127.0.0.1:1\n`,
    )
    chmodSync(join(computer.home, 'config.yml'), 0o644)
    expect((await computer.telec('telec-watch')).code).toBe(0)
  })
})

/** Every program that reads files of telec's home. */
const PROGRAMS: [ProgramName, string[]][] = [
  ['telec-watch', []],
  ['telec-watch', ['--scheduled']],
  ['telec-update', []],
  ['telec-migrate', []],
  ['telec-migrate', ['status']],
  ['telec', ['watch']],
  ['telec', ['update']],
  ['telec', ['status']],
  ['telec', ['doctor']],
  ['telec', ['install', '--print']],
  ['telec', ['uninstall']],
  ['telec', ['history']],
  ['telec', ['pause']],
  ['telec', ['resume']],
  ['telec', ['pin', '1.0.0']],
  ['telec', ['unpin']],
  ['telec', ['hold', '1.0.0']],
  ['telec', ['unhold', '1.0.0']],
  ['telec', ['logs']],
  ['telec', ['metrics']],
  ['telec', ['notify']],
  ['telec', ['run', '--', 'true']],
  ['telec', ['init', '--checkout', '/']],
]

describe('files that others could change are refused', () => {
  test.each(PROGRAMS.map(([program, args]) => [[program, ...args].join(' '), program, args] as const))(
    'by %s',
    async (_, program, args) => {
      const computer = await freshComputer()
      chmodSync(computer.home, 0o777)
      const before = readTree(computer.home)
      expectFailure(await computer.telec(program, args), 78, [
        `others can change ${computer.home} (mode 777)`,
        `chmod go-w ${computer.home}`,
      ])
      expect(readTree(computer.home)).toEqual(before)
    },
  )

  test.each<[string, number, (computer: Computer) => string]>([
    ['a home that its group can write', 0o770, ({ home }) => home],
    ['one with the sticky bit, into which others can put a signal', 0o1777, ({ home }) => home],
    ['a folder around it', 0o777, ({ folder }) => folder],
    ['one that the group can write', 0o775, ({ folder }) => folder],
    ['a configuration that all can write', 0o666, ({ home }) => join(home, 'config.yml')],
  ])('%s', async (_, bits, of) => {
    const computer = await freshComputer()
    chmodSync(of(computer), bits)
    expectFailure(await computer.telec('telec-watch'), 78, ['others can change', of(computer), 'chmod'])
  })

  test.each<[string, (computer: Computer) => string]>([
    ['a folder around the home', ({ folder }) => folder],
    ['the configuration', ({ home }) => join(home, 'config.yml')],
  ])('%s that belongs to another user', async (_, of) => {
    const computer = await freshComputer()
    chownSync(of(computer), 65_534, 65_534)
    for (const program of ['telec-watch', 'telec-update'] as const)
      expectFailure(await computer.telec(program), 78, [
        'others can change',
        of(computer),
        'belongs to uid 65534',
      ])
  })

  test('a home of root that a user who is not root goes by', async () => {
    const computer = await freshComputer()
    for (const path of [computer.folder, computer.home]) chmodSync(path, 0o755)
    chownSync(computer.home, 65_533, 65_533)
    const ended = await asNobody(computer.folder, 'telec', ['status'], computer.env)
    expectFailure(ended, 78, ['others can change', 'belongs to uid 65533', 'belongs to root or to uid 65534'])
  })

  test.each(['HOME', 'XDG_CONFIG_HOME'])(
    'a %s of another user that sudo -E keeps, where git would read what to run',
    async (name) => {
      const computer = await freshComputer()
      const theirs = join(computer.folder, 'theirs')
      mkdirSync(theirs)
      const config = `[core]\n\tfsmonitor = touch ${theirs}/ran\n\tsshCommand = touch ${theirs}/ran\n\talternateRefsCommand = touch ${theirs}/ran\n`
      mkdirSync(join(theirs, 'git'))
      for (const file of ['.gitconfig', 'git/config']) writeFileSync(join(theirs, file), config)
      chownSync(theirs, 65_534, 65_534)
      const ended = await computer.telec('telec-watch', [], { env: { [name]: theirs } })
      expectFailure(ended, 78, ['others can change', theirs])
      expect(readdirSync(theirs)).not.toContain('ran')
    },
  )

  test.each(['HOME', 'XDG_CONFIG_HOME'])(
    'a %s of another user that a user who is not root has',
    async (name) => {
      const computer = await freshComputer()
      const theirs = join(computer.folder, 'theirs')
      mkdirSync(theirs)
      chownSync(theirs, 65_533, 65_533)
      for (const path of [computer.folder, computer.home]) chmodSync(path, 0o755)
      for (const path of [computer.home, join(computer.home, 'config.yml')]) chownSync(path, 65_534, 65_534)
      const env = { ...computer.env, [name]: theirs }
      const ended = await asNobody(computer.folder, 'telec', ['status'], env)
      expectFailure(ended, 78, ['others can change', theirs, 'belongs to uid 65533'])
    },
  )

  test('a TMPDIR of another user, who could put other keys in the place of those that may sign', async () => {
    const computer = await freshComputer()
    const { allowed } = await sshSigner(computer.folder, 'ann')
    const signers = keep(computer, 'allowed_signers', allowed)
    computer.writeConfig(
      `deployment:\n  checkout: ${computer.checkout}\n  verify: signed-commit\n  allowed_signers: ${signers}\n`,
    )
    const theirs = join(computer.folder, 'theirs')
    mkdirSync(theirs)
    chownSync(theirs, 65_534, 65_534)
    await computer.push(version('1.1.0'))
    const ended = await watchAndUpdate(computer, [], { TMPDIR: theirs })
    expectFailure(ended, 78, ['TMPDIR is ', 'others can change', theirs])
    expect(readdirSync(theirs)).toEqual([])
  })

  test.each([
    [
      'redis.password_file',
      (path: string) => `redis:\n  url: redis://127.0.0.1:1\n  password_file: ${path}\n`,
    ],
    ['redis.ca_file', (path: string) => `redis:\n  url: rediss://127.0.0.1:1\n  ca_file: ${path}\n`],
  ])('%s of another user', async (key, lines) => {
    const computer = await freshComputer()
    const path = join(computer.folder, 'theirs')
    writeFileSync(path, 'x', { mode: 0o600 })
    chownSync(path, 65_534, 65_534)
    computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n${lines(path)}`)
    expectFailure(await computer.telec('telec', ['notify']), 78, [
      `${key} is ${path}, which others can change`,
    ])
  })

  test('by way of a link, too', async () => {
    const computer = await freshComputer()
    const open = join(computer.folder, 'open')
    mkdirSync(open)
    chmodSync(open, 0o777)
    await succeed('mv', [computer.home, join(open, 'home')])
    symlinkSync(join(open, 'home'), computer.home)
    expectFailure(await computer.telec('telec-watch'), 78, [`: ${open} (mode 777)`])
  })

  test.each([
    ['a home that others can read, which doctor says', 0o755, 'home'],
    ['a folder around it in which nobody can replace what is not theirs', 0o1777, ''],
  ])('and not %s', async (_, bits, name) => {
    const computer = await freshComputer()
    chmodSync(join(computer.folder, name), bits)
    expect((await computer.telec('telec-watch')).code).toBe(0)
  })
})

test('with any umask, its home is 0700 and its files are 0600', async () => {
  const computer = await freshComputer({ init: false })
  const run = (program: ProgramName, ...args: string[]) =>
    execute('sh', ['-c', 'umask 0; exec "$@"', 'sh', process.execPath, join(DIST, program), ...args], {
      env: computer.env,
    })
  expect((await run('telec', 'init', '--checkout', computer.checkout)).code).toBe(0)
  await computer.push(version('1.1.0'))
  expect((await run('telec-watch')).code).toBe(0)
  expect((await run('telec-update')).code).toBe(42)
  expect((await run('telec', 'pause')).code).toBe(0)
  expect(mode(computer.home)).toBe('700')
  for (const name of readdirSync(computer.home))
    expect(`${name} ${mode(join(computer.home, name))}`).toBe(`${name} 600`)
})
