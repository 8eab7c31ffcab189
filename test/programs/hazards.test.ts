import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Computer, markerMigration, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { requireTool } from '../helpers/missing-tool.ts'
import { DIST, execute, succeed } from '../helpers/programs.ts'
import { readTree } from '../helpers/tree.ts'
import { watchAndUpdate } from '../helpers/update.ts'

// Cases that have no test elsewhere; SECURITY.md lists all of them.

describe('a checkout that is broken is not guessed at, and the repository around it is not touched:', () => {
  type Case = [string, (computer: Computer) => unknown, (computer: Computer) => unknown, string]
  const away = (path: string) => renameSync(path, `${path}-away`)
  const back = (path: string) => {
    rmSync(path, { recursive: true, force: true })
    renameSync(`${path}-away`, path)
  }
  const replace = (path: string, text: string) => {
    away(path)
    writeFileSync(path, text)
  }
  const ofGit = (name: string) => (computer: Computer) => join(computer.checkout, '.git', name)
  const [head, index, objects] = [ofGit('HEAD'), ofGit('index'), ofGit('objects')]
  test.each<Case>([
    [
      'an index of garbage',
      (it) => replace(index(it), 'garbage '.repeat(99)),
      (it) => back(index(it)),
      'is broken',
    ],
    [
      'a HEAD that names nothing',
      (it) => replace(head(it), `${'1'.repeat(40)}\n`),
      (it) => back(head(it)),
      'git',
    ],
    ['objects that are gone', (it) => away(objects(it)), (it) => back(objects(it)), 'not a git repository'],
  ])('%s', async (_, breakIt, mend, part) => {
    const computer = await freshComputer()
    expect((await computer.telec('telec-watch')).code).toBe(0)
    const commit = await computer.push({ ...version('1.1.0'), 'a.txt': 'new\n' })
    await succeed('git', ['init', '--quiet', computer.folder])
    const outer = join(computer.folder, '.git')
    const [before, files] = [listing(outer), readTree(computer.checkout)]
    breakIt(computer)
    const watched = await computer.telec('telec-watch')
    const ended = watched.code === 0 ? await computer.telec('telec-update') : watched
    expect([1, 78]).toContain(ended.code)
    expectFailure(ended, ended.code ?? 0, [part])
    expect(listing(outer)).toEqual(before)
    expect(readTree(computer.checkout)).toEqual(files)
    mend(computer)
    expect((await computer.telec('telec-watch')).code).toBe(0)
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
  })

  function listing(folder: string): string[] {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
  }
})

describe('another git at work in the checkout', () => {
  test('is waited for, then reported; its lock is not taken away', async () => {
    const computer = await freshComputer()
    const lock = join(computer.checkout, '.git/index.lock')
    await computer.push(version('1.1.0'))
    writeFileSync(lock, 'a person is at it')
    expectFailure(await watchAndUpdate(computer), 75, ['another git is at work', 'index.lock'])
    expect(readFileSync(lock, 'utf8')).toBe('a person is at it')
    rmSync(lock)
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
  })
})

describe('a remote over http that', () => {
  /** Answers all requests; its port. */
  async function serve(listener: RequestListener, tls?: { key: string; cert: string }): Promise<number> {
    const server = tls ? createTlsServer(tls, listener) : createServer(listener)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return (server.address() as AddressInfo).port
  }

  async function expectRefused(
    url: string,
    parts: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<void> {
    const computer = await freshComputer()
    computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  remote: ${url}\n`)
    // A desktop's window for passwords must not be waited for either.
    const asking = { SSH_ASKPASS: '/bin/false', DISPLAY: ':0', ...env }
    const ended = await computer.telec('telec-watch', [], { env: asking })
    expectFailure(ended, 78, parts)
    expect(ended.stderr).not.toContain('out of reach')
    expect(computer.state('watch_state.json')).toMatchObject({ failures: 1, repair: expect.any(String) })
  }

  test('is private by now (404), is reported with what it said', async () => {
    const port = await serve((_, response) => void response.writeHead(404).end())
    await expectRefused(`http://127.0.0.1:${port}/web.git`, ['has no such repository', 'not found'])
  })

  test('is behind a proxy that wants a login (407), is reported', async () => {
    const port = await serve((_, response) => {
      response.writeHead(407, { 'proxy-authenticate': 'Basic realm="proxy"' }).end()
    })
    const env = { http_proxy: `http://127.0.0.1:${port}`, no_proxy: '', NO_PROXY: '' }
    await expectRefused('http://git.invalid/web.git', ['the proxy asks for a login', '407'], env)
  })

  test('has a certificate that nobody vouches for, is reported', async () => {
    const computer = await freshComputer()
    const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(computer.folder, name)) as [string, string]
    const request = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '1',
    ]
    await succeed('openssl', [...request, '-subj', '/CN=127.0.0.1', '-keyout', key, '-out', cert])
    const tls = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
    const port = await serve((_, response) => void response.end(), tls)
    await expectRefused(`https://127.0.0.1:${port}/web.git`, ['this computer does not trust the certificate'])
  })
})

describe('a signal', () => {
  const commit = '1'.repeat(40)
  const from = { version: '1.0.0', commit: '2'.repeat(40) }
  const signal = { channel: 'alpha', from, detected_at: '2020-01-01T00:00:00.000Z', source: 'somebody' }
  const target = { version: null, ref: 'refs/heads/main', commit }
  test.each<[string, object, number, string]>([
    ['for a commit that the remote has not', { ...signal, target }, 75, 'is no longer available'],
    [
      'for a ref that it has not',
      { ...signal, target: { ...target, ref: 'refs/heads/no' } },
      75,
      'is no longer available at refs/heads/no',
    ],
    ['for a path', { ...signal, target: { ...target, ref: '../../etc' } }, 1, 'target.ref'],
    ['for an option', { ...signal, target: { ...target, commit: '--orphan=evil' } }, 1, 'target.commit'],
    ['for a channel that is a path', { ...signal, target, channel: '../beta' }, 1, 'channel'],
  ])('%s moves nothing', async (_, text, code, part) => {
    const computer = await freshComputer()
    expect((await computer.telec('telec-watch')).code).toBe(0)
    const files = readTree(computer.checkout)
    const head = await computer.gitInCheckout('rev-parse', 'HEAD')
    computer.writeState('update_signal.json', JSON.stringify(text))
    expectFailure(await computer.telec('telec-update'), code, [part])
    expect(readTree(computer.checkout)).toEqual(files)
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(head)
  })

  test('whose target the remote lacked for a while, as behind a captive portal, is retried', async () => {
    const computer = await freshComputer()
    const pushed = await computer.push(version('1.1.0'))
    expect((await computer.telec('telec-watch')).code).toBe(0)
    const rename = (...names: string[]) => succeed('git', ['-C', computer.remote, 'branch', '-m', ...names])
    await rename('main', 'away')
    expectFailure(await computer.telec('telec-update'), 75, ['is no longer available at refs/heads/main'])
    await rename('away', 'main')
    requireTool('faketime', 'faketime')
    const { env } = computer
    const ended = await execute('faketime', ['-f', '+1m', join(DIST, 'telec-update')], { env })
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(pushed)
  })

  test('that waited for a month is as good as a new one', async () => {
    const computer = await freshComputer()
    const pushed = await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    const fresh = computer.state('update_signal.json')
    computer.writeState('update_signal.json', JSON.stringify({ ...fresh, detected_at: signal.detected_at }))
    expect((await computer.telec('telec-update')).code).toBe(42)
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(pushed)
  })
})

test('an environment with next to nothing in it is enough', async () => {
  const computer = await freshComputer()
  const commit = await computer.push({
    ...version('1.1.0'),
    ...markerMigration('1.1.0', '001_a.mjs'),
  })
  const bare = (program: string) =>
    execute('env', [
      '-i',
      `TELEC_HOME=${computer.home}`,
      'PATH=/usr/bin:/bin',
      process.execPath,
      join(DIST, program),
    ])
  expect((await bare('telec-watch')).code).toBe(0)
  const ended = await bare('telec-update')
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
  expect(existsSync(join(dirname(computer.home), '.teleclaude'))).toBe(false)
})
