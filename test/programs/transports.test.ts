import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { commandsOf } from '../helpers/documents.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { serveHttpGit } from '../helpers/http-git.ts'
import { expectFailure } from '../helpers/messages.ts'
import { type Ended, succeed } from '../helpers/programs.ts'
import { type SshServer, serveSsh } from '../helpers/ssh-server.ts'
import { readTree } from '../helpers/tree.ts'
import { watchAndUpdate } from '../helpers/update.ts'

const SECRET = 'aSecretOfThisTest'

async function useRemote(computer: Computer, url: string): Promise<void> {
  await computer.gitInCheckout('remote', 'set-url', 'origin', url)
}

/** The whole road over the remote's transport, by branch and by tag. */
async function expectRoad(computer: Computer): Promise<Ended[]> {
  const all: Ended[] = []
  for (const channel of ['alpha', 'beta']) {
    computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  channel: ${channel}\n`)
    const number = channel === 'alpha' ? '1.1.0' : '1.2.0'
    const commit = await computer.push(version(number), { tag: `v${number}` })
    const ended = await watchAndUpdate(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
    all.push(ended)
  }
  return all
}

test('over a path', async () => {
  await expectRoad(await freshComputer())
})

test('over file://', async () => {
  const computer = await freshComputer()
  await useRemote(computer, `file://${computer.remote}`)
  await expectRoad(computer)
})

describe('over http', () => {
  test('without a password', async () => {
    const computer = await freshComputer()
    const server = await serveHttpGit(computer.folder)
    await useRemote(computer, server.url('remote.git'))
    await expectRoad(computer)
  })

  test('a poll is two requests, which the command in docs/operating.md weighs', async () => {
    const computer = await freshComputer()
    const server = await serveHttpGit(computer.folder)
    await useRemote(computer, server.url('remote.git'))
    const asked: (string | undefined)[] = []
    server.instead = ({ method }) => asked.push(method) === 0
    await computer.telec('telec-watch', ['--scheduled'])
    expect(asked).toEqual(['GET', 'POST'])
    const [command = ''] = commandsOf('docs/operating.md').filter((line) => line.startsWith('GIT_TRACE_CURL'))
    const weighed = await succeed('sh', ['-c', command.replace('~/apps/web', computer.checkout)])
    const bytes = Number.parseInt(weighed, 10)
    expect(bytes).toBeGreaterThan(1_200)
    expect(bytes).toBeLessThan(1_800) // it says 1.5 KB
  })

  test('with a credential helper of the user', async () => {
    const computer = await freshComputer()
    const server = await serveHttpGit(computer.folder, `ann:${SECRET}`)
    await useRemote(computer, server.url('remote.git'))
    const store = join(computer.folder, 'credentials')
    writeFileSync(store, `${server.url('', `ann:${SECRET}`)}\n`, { mode: 0o600 })
    await computer.gitInCheckout('config', 'credential.helper', `store --file=${store}`)
    await expectRoad(computer)
  })

  test('with a password in the URL, which is in no message and no file of telec', async () => {
    const computer = await freshComputer()
    const server = await serveHttpGit(computer.folder, `ann:${SECRET}`)
    await useRemote(computer, server.url('remote.git', `ann:${SECRET}`))
    const good = await expectRoad(computer)
    server.instead = (_, response) => {
      response.writeHead(403).end()
      return true
    }
    const bad = await computer.telec('telec-watch', [], { env: { TELEC_DEBUG: '1' } })
    expectFailure(bad, 78, ['does not allow this login', '403'])
    const said = [...good, bad].flatMap(({ stdout, stderr }) => [stdout, stderr])
    expect([...said, ...Object.values(readTree(computer.home))].join()).not.toContain(SECRET)
  })

  test.each([
    ['no password', null, 'this computer has none'],
    ['a wrong password', 'ann:wrong', 'refuses the login'],
  ])('with %s it ends by itself, and nothing asks for one', async (_, credentials, part) => {
    const computer = await freshComputer()
    const server = await serveHttpGit(computer.folder, `ann:${SECRET}`)
    await useRemote(computer, server.url('remote.git', credentials ?? undefined))
    const asked = join(computer.folder, 'asked')
    const ask = join(computer.folder, 'ask')
    writeFileSync(ask, `#!/bin/sh\ntouch ${asked}\necho ${SECRET}\n`, { mode: 0o755 })
    await computer.gitInCheckout('config', 'core.askPass', ask)
    const env = { GIT_ASKPASS: ask, SSH_ASKPASS: ask, DISPLAY: ':0', GIT_TERMINAL_PROMPT: '1' }
    expectFailure(await computer.telec('telec-watch', [], { env }), 78, [part])
    expect(Object.keys(readTree(computer.folder))).not.toContain('asked')
    expect(server.refused.length).toBeGreaterThan(0)
  })
})

describe('over ssh', () => {
  async function over(command: (server: SshServer) => string): Promise<Computer> {
    const computer = await freshComputer()
    const server = await serveSsh()
    await useRemote(computer, server.url(computer.remote))
    await computer.gitInCheckout('config', 'core.sshCommand', command(server))
    return computer
  }
  const ssh = (key: string, hosts: string) =>
    `ssh -F /dev/null -i ${key} -oIdentitiesOnly=yes -oUserKnownHostsFile=${hosts}`

  test('with a deploy key', async () => {
    await expectRoad(await over(({ key, knownHosts }) => ssh(key, knownHosts)))
  })

  test('where ssh is configured to share connections, also in a folder that it may not write', async () => {
    const sharing = ({ key, knownHosts }: SshServer) => {
      writeFileSync(`${key}.config`, 'ControlMaster auto\nControlPath /proc/telec-%C\n')
      return ssh(key, knownHosts).replace('/dev/null', `${key}.config`)
    }
    await expectRoad(await over(sharing))
  })

  test('a refused login is said once in the log, is asked once, and not at each poll', async () => {
    const computer = await freshComputer()
    const asked = join(computer.folder, 'asked')
    const server = await serveSsh()
    await useRemote(computer, server.url(computer.remote))
    const counting = `echo >>${asked}; ${ssh(server.encryptedKey, server.knownHosts)}`
    await computer.gitInCheckout('config', 'core.sshCommand', counting)
    const poll = () => computer.telec('telec-watch', ['--scheduled'])
    const times = () => readFileSync(asked, 'utf8').length
    expectFailure(await poll(), 78, ['has a passphrase'])
    expect(times()).toBe(1)
    const quiet = { code: 75, signal: null, stdout: '', stderr: '' }
    expect(await poll()).toEqual(quiet)
    expect(times()).toBe(1)
    const past = new Date(Date.now() - 1_000).toISOString()
    const isOver = { ...computer.state('watch_state.json'), next_poll_at: past }
    computer.writeState('watch_state.json', JSON.stringify(isOver))
    expect(await poll()).toEqual(quiet)
    expect(times()).toBe(2)
    expect((await computer.telec('telec', ['status'])).stdout).toMatch(
      /2 polls failed since then: .*has a passphrase/,
    )
    await computer.gitInCheckout('config', 'core.sshCommand', ssh(server.key, server.knownHosts))
    expect(await computer.telec('telec-watch')).toMatchObject({ code: 0 })
    expect(await poll()).toMatchObject({ code: 0 })
  })

  test.each<[string, (server: SshServer) => string, string]>([
    [
      'a host that is not known',
      ({ key }) => ssh(key, '/dev/null'),
      'does not know the host key of 127.0.0.1',
    ],
    [
      'a host whose key changed',
      ({ key, otherKnownHosts }) => ssh(key, otherKnownHosts),
      'the host key of 127.0.0.1 has changed',
    ],
    [
      'a key with a passphrase',
      ({ encryptedKey, knownHosts }) => ssh(encryptedKey, knownHosts),
      'has a passphrase',
    ],
    ['a key that is none', ({ knownHosts }) => ssh('/dev/null', knownHosts), 'cannot use the key /dev/null'],
  ])('%s is named, shown by status, and nothing is asked', async (_, command, part) => {
    const computer = await over(command)
    const ended = await computer.telec('telec-watch')
    expectFailure(ended, 78, [part])
    expect(ended.stderr).not.toMatch(/out of reach|debug1|OpenSSH_|Transferred/)
    const { stdout } = await computer.telec('telec', ['status'])
    expect(stdout).toMatch(new RegExp(`1 poll failed since then: .*${part}.*\\n +what to do: `))
  })
})

test('a URL that the user’s configuration replaces is replaced', async () => {
  const computer = await freshComputer()
  await useRemote(computer, 'https://git.example.com/web.git')
  const home = join(computer.folder, 'user')
  mkdirSync(home)
  writeFileSync(
    join(home, '.gitconfig'),
    `[url "${computer.remote}"]\n\tinsteadOf = https://git.example.com/web.git\n`,
  )
  const commit = await computer.push(version('1.1.0'))
  expect((await computer.telec('telec-watch', [], { env: { HOME: home } })).code).toBe(0)
  expect((await computer.telec('telec-update', [], { env: { HOME: home } })).code).toBe(42)
  expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
})
