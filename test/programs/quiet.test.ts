import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Computer, makeComputer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { requireTool } from '../helpers/missing-tool.ts'
import { DIST, type Ended, execute, succeed } from '../helpers/programs.ts'
import { startRedis } from '../helpers/redis.ts'
import { mode } from '../helpers/tree.ts'

/** The exit code of the stand-in for Node.js. */
const HANDED_OVER = 7
/** Seconds ago: shells without parts of a second have to see the newer file. */
const AGES = { 'config.yml': 60, 'update_state.json': 60, 'watch_state.json': 60, '.': 20, quiet: 10 }

function setAges(home: string): void {
  for (const [name, age] of Object.entries(AGES)) {
    const time = Date.now() / 1000 - age
    utimesSync(join(home, name), time, time)
  }
}

/** In the place of Node.js: it prints its arguments. */
function writeStandIn(folder: string): string {
  const path = join(folder, 'stand-in')
  writeFileSync(path, `#!/bin/sh\nprintf %s "$TELEC_REMOTE_SAID" >'${folder}/heard'\nexit ${HANDED_OVER}\n`, {
    mode: 0o755,
  })
  return path
}

/** A poll as a unit starts it, and whether Node.js was started for it. */
async function pollBy(
  shell: readonly string[],
  { folder, home, env }: Pick<Computer, 'folder' | 'home' | 'env'>,
  args: readonly string[] = [],
  more: NodeJS.ProcessEnv = {},
): Promise<{ ended: Ended; handedOver: boolean; heard: string }> {
  const [command = '', ...first] = shell
  rmSync(join(folder, 'heard'), { force: true })
  const TELEC_NODE = writeStandIn(folder)
  const ended = await execute(command, [...first, join(DIST, 'telec-watch'), ...args], {
    cwd: folder,
    env: { ...env, TELEC_HOME: home, TELEC_NODE, ...more },
  })
  const heard = existsSync(join(folder, 'heard')) ? readFileSync(join(folder, 'heard'), 'utf8') : null
  expect(ended.code, ended.stderr).toBe(heard === null ? 0 : HANDED_OVER)
  return { ended, handedOver: heard !== null, heard: heard ?? '' }
}

/** Changes lines of the file `quiet`. */
function edit(home: string, change: (lines: string[]) => unknown): void {
  const lines = readFileSync(join(home, 'quiet'), 'utf8').split('\n')
  change(lines)
  writeFileSync(join(home, 'quiet'), lines.join('\n'))
}

describe.each([['dash'], ['bash'], ['busybox', 'sh'], ['sh']])('quiet.sh by %s', (...shell) => {
  let original: Computer
  beforeAll(async () => {
    requireTool(shell[0] ?? '', shell[0] ?? '')
    original = await makeComputer()
    expect(await original.telec('telec-watch')).toMatchObject({ code: 0 })
  })
  afterAll(() => original.dispose())

  /** The same computer with a home of its own, some seconds after a poll that found nothing. */
  function quietComputer(): Computer {
    const home = join(original.folder, `home-${Math.random()}`)
    cpSync(original.home, home, { recursive: true })
    edit(home, (lines) => lines.splice(4, 1, join(home, 'config.yml')))
    setAges(home)
    return { ...original, home }
  }

  test.each([[[]], [['--scheduled']]])(
    'a poll %j that finds nothing starts no Node.js and says nothing',
    async (args) => {
      const computer = quietComputer()
      const { ended, handedOver } = await pollBy(shell, computer, args)
      expect(handedOver).toBe(false)
      expect(ended).toEqual({ code: 0, signal: null, stdout: '', stderr: '' })
      expect(statSync(join(computer.home, 'watch_state.json')).mtimeMs).toBeGreaterThan(Date.now() - 10_000)
    },
  )

  test('variables of git that a user left behind make no difference to it', async () => {
    const more = {
      GIT_DIR: '/nowhere',
      GIT_CONFIG_COUNT: 'x',
      SSH_ASKPASS: '/nowhere',
      OTHER: 'a\n GIT_X=b c',
    }
    expect((await pollBy(shell, quietComputer(), [], more)).handedOver).toBe(false)
  })

  test.each<[string, (home: string, computer: Computer) => unknown, NodeJS.ProcessEnv?, string[]?]>([
    ['other arguments', () => undefined, {}, ['--dry-run']],
    ['more arguments', () => undefined, {}, ['--scheduled', '--json']],
    ['somebody who debugs', () => undefined, { TELEC_DEBUG: '1' }],
    ['no file', (home) => rmSync(join(home, 'quiet'))],
    ['an empty file', (home) => edit(home, (lines) => lines.splice(0))],
    ['half a file', (home) => edit(home, (lines) => lines.splice(lines.indexOf('git')))],
    ['a file of something else', (home) => edit(home, (lines) => lines.unshift('{'))],
    ['another home', (home) => renameSync(home, `${home}-moved`)],
    ['a newer configuration', (home) => utimesSync(join(home, 'config.yml'), new Date(), new Date())],
    ['a newer state', (home) => utimesSync(join(home, 'update_state.json'), new Date(), new Date())],
    [
      'an older configuration that was put in its place',
      (home) => {
        cpSync(join(home, 'config.yml'), join(home, 'new'), { preserveTimestamps: true })
        renameSync(join(home, 'new'), join(home, 'config.yml'))
      },
    ],
    [
      'a signal that waits',
      (home) => {
        writeFileSync(join(home, 'update_signal.json'), '{}')
        setAges(home)
      },
    ],
    ['a checkout that is gone', (home) => edit(home, (lines) => lines.splice(3, 1, `${home}/gone/.git`))],
    [
      'a remote that is gone',
      (home) => edit(home, (lines) => lines.splice(lines.indexOf('origin'), 1, 'gone')),
    ],
    [
      'a PATH without timeout(1)',
      async (home, { folder }) => {
        const bin = join(folder, 'bin')
        mkdirSync(bin, { recursive: true })
        for (const name of ['git', 'sh'])
          if (!existsSync(join(bin, name)))
            symlinkSync(await succeed('sh', ['-c', `command -v ${name}`]), join(bin, name))
        edit(home, (lines) =>
          lines.splice(
            lines.findIndex((line) => line.startsWith('PATH=')),
            1,
            `PATH=${bin}`,
          ),
        )
      },
    ],
  ])('hands over to Node.js: %s', async (_, change, more = {}, args = []) => {
    const computer = quietComputer()
    await change(computer.home, computer)
    const { handedOver, heard } = await pollBy(shell, computer, args, {
      TELEC_REMOTE_SAID: 'left over',
      ...more,
    })
    expect({ handedOver, heard }).toEqual({ handedOver: true, heard: '' })
    const { 'watch_state.json': age } = AGES
    if (existsSync(computer.home))
      expect(statSync(join(computer.home, 'watch_state.json')).mtimeMs).toBeLessThan(
        Date.now() - (age - 5) * 1000,
      )
  })

  test.each([
    ['its time is over', '+61m'],
    ['the clock was set back', '-2m'],
  ])('hands over to Node.js: %s', async (_, shift) => {
    requireTool('faketime', 'faketime')
    const clock = ['faketime', '-f', shift, ...shell]
    const { handedOver } = await pollBy(clock, quietComputer(), [], { NO_FAKE_STAT: '1' })
    expect(handedOver).toBe(true)
  })

  test('hands over to Node.js: a file of another user', async () => {
    const computer = quietComputer()
    const path = join(computer.home, 'quiet')
    if (process.getuid?.() === 0) chownSync(path, 65_534, 65_534)
    else {
      rmSync(path)
      symlinkSync('/etc/passwd', path)
    }
    expect((await pollBy(shell, computer)).handedOver).toBe(true)
  })

  test('hands over what git said where that is another byte, with the command that asked', async () => {
    const computer = quietComputer()
    const list = `${await computer.gitInCheckout('rev-parse', 'origin/main')}\trefs/heads/main`
    edit(computer.home, (lines) =>
      lines.splice(
        6,
        1,
        list.replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
      ),
    )
    const { handedOver, heard } = await pollBy(shell, computer)
    expect(handedOver).toBe(true)
    expect(heard.startsWith(`${list}\n.\nPATH=`)).toBe(true)
    expect(heard.endsWith('\nls-remote\n--heads\n--\norigin\nrefs/heads/main')).toBe(true)
  })

  test('hands over to Node.js once the remote has said nothing for its time', async () => {
    const computer = quietComputer()
    const server = createServer((socket) => void socket.resume().on('error', () => undefined))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as { port: number }
    edit(computer.home, (lines) => {
      lines.splice(lines.indexOf('origin'), 1, `git://127.0.0.1:${port}/silent`)
      lines.splice(lines.indexOf('45'), 1, '1')
    })
    expect(await pollBy(shell, computer)).toMatchObject({ handedOver: true, heard: '' })
  })
})

/** The file that a whole poll leaves; null: none. */
async function left(computer: Computer): Promise<string[] | null> {
  expect(await computer.telec('telec-watch')).toMatchObject({ code: 0 })
  const path = join(computer.home, 'quiet')
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n') : null
}

/** Seconds from now until the quiet file expires. */
async function secondsLeft(computer: Computer): Promise<number> {
  return Number((await left(computer))?.[1]) - Date.now() / 1000
}

describe('a whole poll', () => {
  test.each([[[]], [['--channel', 'beta']], [['--channel', 'stable', '--pinned-minor', '1.2']]])(
    'that finds nothing leaves to its user alone what the next ones need, for an hour: %j',
    async (initArgs) => {
      const computer = await freshComputer({ initArgs })
      const seconds = await secondsLeft(computer)
      expect(seconds).toBeGreaterThan(3_500)
      expect(seconds).toBeLessThanOrEqual(3_600)
      expect(mode(join(computer.home, 'quiet'))).toBe('600')
      utimesSync(join(computer.home, 'watch_state.json'), 0, 0)
      expect((await pollBy(['sh'], computer)).handedOver).toBe(false)
      const status = JSON.parse((await computer.telec('telec', ['status', '--json'])).stdout)
      expect(Date.parse(status.watch.polled_at)).toBeGreaterThan(Date.now() - 60_000)
    },
  )

  test('removes the configuration as telec 0.1 kept it', async () => {
    const computer = await freshComputer()
    computer.writeState('config.parsed.json', '{}')
    await left(computer)
    expect(existsSync(join(computer.home, 'config.parsed.json'))).toBe(false)
  })

  test('of thousands of tags leaves them to the shell, too, which hands on no more than it can', async () => {
    const computer = await freshComputer({ initArgs: ['--channel', 'beta'] })
    const head = await computer.git('rev-parse', 'HEAD')
    const tags = Array.from({ length: 2_000 }, (_, index) => `create refs/tags/other-${index} ${head}\n`)
    const create = ['--git-dir', computer.remote, 'update-ref', '--stdin']
    await succeed('git', create, { input: tags.join('') })
    expect((await left(computer))?.length).toBeGreaterThan(2_000)
    expect((await pollBy(['sh'], computer)).handedOver).toBe(false)
    await succeed('git', create, { input: `create refs/tags/one-more ${head}\n` })
    expect(await pollBy(['sh'], computer)).toMatchObject({ handedOver: true, heard: '' })
  })

  test.each<[string, string, ((computer: Computer) => unknown)?]>([
    ['metrics are written', 'metrics: /METRICS\n'],
    ['Redis is out of reach', 'redis:\n  url: redis://127.0.0.1:1\n'],
    ['there is something new', '', (computer) => computer.push(version('1.1.0'))],
    [
      'an update has halted',
      '',
      async (computer) => {
        writeFileSync(join(computer.checkout, 'package.json'), 'mine\n')
        await computer.push(version('1.1.0'))
        await computer.telec('telec-watch')
        expect((await computer.telec('telec-update')).code).toBe(1)
      },
    ],
    [
      'the remote answers by a mirror alone',
      '',
      (computer) => {
        computer.writeConfig(
          `deployment:\n  checkout: ${computer.checkout}\n  mirrors: [${computer.remote}]\n`,
        )
        return computer.gitInCheckout('remote', 'set-url', 'origin', join(computer.folder, 'gone'))
      },
    ],
    [
      'the URL of the remote holds a password',
      '',
      async (computer) => {
        const url = 'https://me:secret@git.example.org/web'
        await computer.gitInCheckout('config', `url.${computer.remote}.insteadOf`, url)
        const text = readFileSync(join(computer.home, 'config.yml'), 'utf8')
        computer.writeConfig(text.replace('deployment:\n', `deployment:\n  remote: ${url}\n`))
      },
    ],
  ])('leaves nothing, and removes what was left, where %s', async (_, config, change) => {
    const computer = await freshComputer()
    expect(await left(computer)).not.toBeNull()
    const text = readFileSync(join(computer.home, 'config.yml'), 'utf8')
    computer.writeConfig(text + config.replace('/METRICS', join(computer.folder, 'metrics.prom')))
    await change?.(computer)
    expect(await left(computer)).toBeNull()
  })

  test('leaves it until Redis is to hear of the computer', async () => {
    const computer = await freshComputer()
    const { url } = await startRedis()
    const text = readFileSync(join(computer.home, 'config.yml'), 'utf8')
    computer.writeConfig(`${text}redis:\n  url: ${url}\n`)
    expect(await secondsLeft(computer)).toBeLessThanOrEqual(300)
  })

  test.each<[string, string[]]>([
    ['telec pause', ['pause', '--for', '1h']],
    ['telec resume', ['resume']],
    ['telec pin', ['pin', '1.0.0']],
    ['telec hold', ['hold', '1.0.0']],
  ])('counts no more after %s', async (_, args) => {
    const computer = await freshComputer()
    if (args[0] === 'resume') await computer.telec('telec', ['pause'])
    expect(await left(computer)).not.toBeNull()
    expect(await computer.telec('telec', args)).toMatchObject({ code: 0 })
    expect(existsSync(join(computer.home, 'quiet'))).toBe(false)
  })

  test('expires when another version is deployed', async () => {
    const computer = await freshComputer()
    await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    await computer.telec('telec-update')
    expect(await left(computer)).not.toBeNull()
    expect((await computer.telec('telec', ['rollback'])).code).not.toBe(2)
    expect(existsSync(join(computer.home, 'quiet'))).toBe(false)
  })
})

test('a poll that finds something new asks the remote once', async () => {
  const computer = await freshComputer()
  await left(computer)
  const commit = await computer.push(version('1.1.0'))
  const asked = join(computer.folder, 'asked')
  await computer.gitInCheckout('config', 'remote.origin.uploadpack', `echo >>'${asked}'; git-upload-pack`)
  const ended = await execute(join(DIST, 'telec-watch'), ['--scheduled'], { env: computer.env })
  expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining('new version') })
  expect(computer.state('update_signal.json')).toMatchObject({ target: { commit } })
  expect(readFileSync(asked, 'utf8')).toBe('\n')
})

test('what a shell heard of another remote than is configured now counts for nothing', async () => {
  const computer = await freshComputer()
  await left(computer)
  await computer.push(version('1.1.0'))
  const { heard } = await pollBy(['sh'], computer)
  const config = readFileSync(join(computer.home, 'config.yml'), 'utf8')
  await computer.gitInCheckout('remote', 'add', 'still', join(computer.folder, 'still.git'))
  await succeed('git', ['clone', '--quiet', '--bare', computer.checkout, join(computer.folder, 'still.git')])
  computer.writeConfig(config.replace(/^deployment:\n/m, 'deployment:\n  remote: still\n'))
  expect(heard).toContain('refs/heads/main')
  expect(await computer.telec('telec-watch', [], { env: { TELEC_REMOTE_SAID: heard } })).toMatchObject({
    code: 0,
  })
  expect(computer.state('update_signal.json')).toBeNull()
})
