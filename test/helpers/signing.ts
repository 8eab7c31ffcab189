import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Computer } from './computer.ts'
import { execute, succeed } from './programs.ts'

/** How git signs with a key: settings for its command line, and what the key's verifiers need. */
export interface Signer {
  readonly settings: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/** An SSH key of its own, and the line of an allowed signers file that names it. */
export async function sshSigner(
  folder: string,
  name: string,
): Promise<Signer & { allowed: string; publicKey: string }> {
  const key = join(folder, `key-${name}`)
  await succeed('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', key])
  const publicKey = readFileSync(`${key}.pub`, 'utf8').trim()
  return {
    settings: ['gpg.format=ssh', `user.signingKey=${key}`].flatMap((one) => ['-c', one]),
    env: {},
    allowed: `${name}@example.org namespaces="git" ${publicKey}\n`,
    publicKey,
  }
}

/** A GPG key of its own, in a GNUPGHOME of its own that ends with the test. */
export async function gpgSigner(
  name: string,
  expires = 'never',
): Promise<Signer & { home: string; gpg(...args: string[]): Promise<string>; exported(): Promise<string> }> {
  const home = mkdtempSync(join(tmpdir(), 'telec-gpg-'))
  chmodSync(home, 0o700)
  onTestFinished(async () => {
    await execute('gpgconf', ['--homedir', home, '--kill', 'all'])
    rmSync(home, { recursive: true, force: true })
  })
  const gpg = (...args: string[]) =>
    succeed('gpg', [
      '--homedir',
      home,
      '--batch',
      '--yes',
      '--quiet',
      '--passphrase',
      '',
      '--pinentry-mode',
      'loopback',
      ...args,
    ])
  const email = `${name}@example.org`
  await gpg('--quick-gen-key', email, 'ed25519', 'sign', expires)
  return {
    settings: ['gpg.format=openpgp', `user.signingKey=${email}`].flatMap((one) => ['-c', one]),
    env: { GNUPGHOME: home },
    home,
    gpg,
    exported: () => gpg('--armor', '--export', email),
  }
}

/** Runs git in the person's clone as a signer. */
export function gitAs(computer: Computer, signer: Signer | null, args: readonly string[]): Promise<string> {
  const identity = ['-c', 'user.name=A Person', '-c', 'user.email=person@example.org']
  const clone = ['-C', join(computer.folder, 'work'), ...identity, ...(signer?.settings ?? [])]
  return succeed('git', [...clone, ...args], { env: { ...process.env, ...signer?.env } })
}

/** Keeps what may sign outside the checkout; the path of the file. */
export function keep(computer: Computer, name: string, text: string): string {
  const folder = join(computer.folder, 'trusted')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeFileSync(join(folder, name), text, { mode: 0o600 })
  return join(folder, name)
}
