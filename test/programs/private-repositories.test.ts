import { spawn } from 'node:child_process'
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { certificate } from '../helpers/certificate.ts'
import { version } from '../helpers/computer.ts'
import { commandsOf } from '../helpers/documents.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { serveHttpGit } from '../helpers/http-git.ts'
import { expectFailure } from '../helpers/messages.ts'
import { DIST, type Ended, execute, succeed } from '../helpers/programs.ts'
import { serveSsh } from '../helpers/ssh-server.ts'
import { until } from '../helpers/until.ts'

/** The first command of the section on certificates. */
const TRUST = 'git config --global http.https:'
const TOKEN = 'aTokenOfThisTest'
/** ssh(1) looks there, and ignores HOME. */
const HOME = userInfo().homedir

/** A shell with nothing of the test's environment, at a home of its own in the place of the user's. */
async function newShell() {
  const computer = await freshComputer()
  const home = join(computer.folder, 'user')
  mkdirSync(join(home, '.ssh'), { recursive: true, mode: 0o700 })
  mkdirSync(join(home, 'apps'))
  await succeed('ln', ['-s', computer.checkout, join(home, 'apps/web')])
  const variables = [`HOME=${HOME}`, `TELEC_HOME=${computer.home}`, `PATH=${DIST}:${process.env.PATH}`]
  const inHome = ['mount --bind "$1" "$2"', 'shift 2', 'exec env -i "$@"'].join(' && ')
  const type = (line: string, more: readonly string[] = []): Promise<Ended> => {
    const shell = [home, HOME, ...variables, ...more, 'sh', '-c', line]
    return execute('unshare', ['-m', 'sh', '-c', inHome, 'sh', ...shell])
  }
  return { computer, type }
}

/** The commands of a section's road: up to the one that is the next one's first. */
function road(from: string, to?: string): string[] {
  const all = commandsOf('docs/private-repositories.md')
  const [first, last] = [from, to].map((part) => all.findIndex((line) => part && line.startsWith(part)))
  expect(first).toBeGreaterThan(-1)
  return all.slice(first, to === undefined ? undefined : last)
}

test('a deploy key and a host key, as the document has them', async () => {
  const { computer, type } = await newShell()
  const server = await serveSsh()
  const url = server.url(computer.remote)
  const { port } = new URL(url)
  const lines = road('ssh-keygen -q', 'git config --global credential.helper')
  expect(lines.map((line) => line.split(' ')[0])).toContain('ssh-keyscan')
  for (const line of lines) {
    const here = line
      .replace('git@git.example.com:team/web.git', url)
      .replace('ssh-keyscan', `ssh-keyscan -p ${port}`)
      .replaceAll('git.example.com', '127.0.0.1')
    const ended = await type(here)
    if (line === 'telec doctor') expect(ended.stdout).toMatch(/^✓ remote /m)
    else expect(ended, `${here}: ${ended.stderr}`).toMatchObject({ code: 0 })
    if (line.startsWith('cat ')) appendFileSync(join(dirname(server.key), 'authorized'), ended.stdout)
  }
  await computer.push(version('1.1.0'))
  expect(await type('telec-watch --scheduled')).toMatchObject({ code: 0 })
})

test('a token, as the document has it', async () => {
  const { computer, type } = await newShell()
  const server = await serveHttpGit(computer.folder, `ann:${TOKEN}`)
  const person = join(computer.folder, 'person')
  const answers = `#!/bin/sh\ncase $1 in User*) echo ann ;; *) echo ${TOKEN} ;; esac\n`
  writeFileSync(person, answers, { mode: 0o755 })
  for (const line of road('git config --global credential.helper', TRUST)) {
    const here = line.replace('https://git.example.com/team/web.git', server.url('remote.git'))
    const ended = await type(here, [`GIT_ASKPASS=${person}`])
    if (line === 'telec doctor') expect(ended.stdout).toMatch(/^✓ remote /m)
    else expect(ended, `${here}: ${ended.stderr}`).toMatchObject({ code: 0 })
  }
  expect(readFileSync(join(computer.folder, 'user/.git-credentials'), 'utf8')).toContain(TOKEN)
  await computer.push(version('1.1.0'))
  expect(await type('telec-watch --scheduled')).toMatchObject({ code: 0 })
})

test('a certificate of its own, as the document has it', async () => {
  const { computer, type } = await newShell()
  const { cert, key } = await certificate(computer.folder, '127.0.0.1')
  const server = await serveHttpGit(computer.folder, null, { cert, key })
  await computer.gitInCheckout('remote', 'set-url', 'origin', server.url('remote.git'))
  await computer.push(version('1.1.0'))
  const before = await type('telec-watch --scheduled')
  expectFailure(before, 78, ['certificate', 'docs/private-repositories.md'])
  copyFileSync(cert, join(computer.folder, 'user/git.example.com.pem'))
  for (const line of road(TRUST)) {
    const ended = await type(line.replace('https://git.example.com', new URL(server.url('')).origin))
    expect(ended, `${line}: ${ended.stderr}`).toMatchObject({ code: 0 })
  }
  expect(await type('telec-watch')).toMatchObject({ code: 0 })
  expect(computer.state('update_signal.json')).toMatchObject({ target: { version: null } })
})

test('doctor tells an agent of the shell from a key that the timer has', async () => {
  const computer = await freshComputer()
  const server = await serveSsh()
  const socket = join(computer.folder, 'agent')
  const agent = spawn('setpriv', ['--pdeathsig', 'KILL', 'ssh-agent', '-D', '-a', socket], {
    stdio: 'ignore',
  })
  onTestFinished(() => void agent.kill())
  await until('the agent to listen', async () => existsSync(socket))
  const env = { SSH_AUTH_SOCK: socket }
  const person = join(computer.folder, 'person')
  writeFileSync(person, "#!/bin/sh\necho 'a passphrase'\n", { mode: 0o755 })
  const typing = { ...process.env, ...env, SSH_ASKPASS: person, SSH_ASKPASS_REQUIRE: 'force' }
  await succeed('ssh-add', ['-q', server.encryptedKey], { env: typing })

  computer.writeState('installed.json', JSON.stringify({ manager: 'systemd', scope: 'user', files: [] }))
  const asked = join(computer.folder, 'asked')
  const use = (key: string) => {
    const ssh = `ssh -F /dev/null -i ${key} -oIdentitiesOnly=yes -oUserKnownHostsFile=${server.knownHosts}`
    return computer.gitInCheckout('config', 'core.sshCommand', `echo >>${asked}; ${ssh}`)
  }
  await computer.gitInCheckout('remote', 'set-url', 'origin', server.url(computer.remote))
  const doctor = async (more: Record<string, string>) =>
    (await computer.telec('telec', ['doctor'], { env: more })).stdout

  await use(server.encryptedKey)
  const different = await doctor(env)
  expect(different).toMatch(/^✗ remote .*has a passphrase/m)
  expect(different).toContain('your shell reaches it through its ssh agent, the timer has no agent')
  expect(readFileSync(asked, 'utf8').length).toBe(3) // as the timer, as the shell, and with the agent alone
  const neither = await doctor({ SSH_AUTH_SOCK: '' })
  expect(neither).toMatch(/^✗ remote .*has a passphrase/m)
  expect(neither).not.toContain('your shell')
  await use(server.key)
  expect(await doctor(env)).toMatch(/^✓ remote /m)
})
