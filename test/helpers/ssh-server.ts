import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { canConnect, freePort } from './git-server.ts'
import { succeed } from './programs.ts'
import { until } from './until.ts'

export interface SshServer {
  /** The URL of a repository by its absolute path. */
  url(path: string): string
  /** A private key that may log in. */
  readonly key: string
  /** The same, with a passphrase that nobody gives. */
  readonly encryptedKey: string
  /** A known hosts file with this server's key, and one with another key for it. */
  readonly knownHosts: string
  readonly otherKnownHosts: string
}

/** A real sshd on the loopback interface, with keys of its own. It ends with the test. */
export async function serveSsh(): Promise<SshServer> {
  const folder = mkdtempSync(join(tmpdir(), 'telec-sshd-'))
  const path = (name: string) => join(folder, name)
  const keygen = (name: string, passphrase = '') =>
    succeed('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-f', path(name)])
  for (const name of ['host', 'other', 'key']) await keygen(name)
  await keygen('encrypted', 'a passphrase')
  const publicKey = (name: string) => readFileSync(path(`${name}.pub`), 'utf8')
  writeFileSync(path('authorized'), publicKey('key') + publicKey('encrypted'), { mode: 0o600 })
  const port = await freePort()
  const named = (name: string) => `[127.0.0.1]:${port} ${publicKey(name)}`
  writeFileSync(path('known_hosts'), named('host'))
  writeFileSync(path('other_known_hosts'), named('other'))
  const options = [
    'ListenAddress=127.0.0.1',
    `Port=${port}`,
    `HostKey=${path('host')}`,
    `AuthorizedKeysFile=${path('authorized')}`,
    'StrictModes=no',
    'UsePAM=no',
    'PasswordAuthentication=no',
    'PermitRootLogin=yes',
    'PidFile=none',
  ].flatMap((option) => ['-o', option])
  mkdirSync('/run/sshd', { recursive: true }) // sshd(8): its privilege separation folder, which Debian makes at boot
  const daemon = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', '/usr/sbin/sshd', '-D', '-f', '/dev/null', ...options],
    {
      stdio: 'ignore',
    },
  )
  onTestFinished(() => {
    daemon.kill()
    rmSync(folder, { recursive: true, force: true })
  })
  await until('sshd to listen', () => canConnect(port))
  return {
    url: (repository) => `ssh://${userInfo().username}@127.0.0.1:${port}${repository}`,
    key: path('key'),
    encryptedKey: path('encrypted'),
    knownHosts: path('known_hosts'),
    otherKnownHosts: path('other_known_hosts'),
  }
}
