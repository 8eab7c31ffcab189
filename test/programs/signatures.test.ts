import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { gitAs, gpgSigner, keep, type Signer, sshSigner } from '../helpers/signing.ts'
import { readTree } from '../helpers/tree.ts'
import { until } from '../helpers/until.ts'
import { untouched } from '../helpers/update.ts'

function configure(computer: Computer, settings: Readonly<Record<string, string>>): void {
  const lines = Object.entries({ checkout: computer.checkout, ...settings })
  computer.writeConfig(`deployment:\n${lines.map(([key, value]) => `  ${key}: ${value}\n`).join('')}`)
}

/** Commits and pushes a version, signed or not. */
async function push(
  computer: Computer,
  number: string,
  signer: Signer | null,
  message = `version ${number}`,
): Promise<string> {
  writeFileSync(join(computer.folder, 'work/package.json'), JSON.stringify({ name: 'web', version: number }))
  await gitAs(computer, null, ['add', '--all'])
  await gitAs(computer, signer, [
    'commit',
    '--quiet',
    ...(signer ? ['--gpg-sign'] : []),
    '--message',
    message,
  ])
  await gitAs(computer, null, ['push', '--quiet', 'origin', 'HEAD:main'])
  return gitAs(computer, null, ['rev-parse', 'HEAD'])
}

/** Tags the pushed commit, signed or annotated or lightweight, and pushes the tag. */
async function pushTag(
  computer: Computer,
  name: string,
  signer: Signer | null,
  options: readonly string[] = [],
): Promise<void> {
  const kind = signer ? ['--sign', '--message', name] : options
  await gitAs(computer, signer, ['tag', ...kind, name])
  await gitAs(computer, null, ['push', '--quiet', 'origin', `refs/tags/${name}`])
}

async function expectTaken(computer: Computer, commit: string): Promise<void> {
  expect((await computer.telec('telec-watch')).code).toBe(0)
  const ended = await computer.telec('telec-update', ['--retry'])
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
}

/** The signalled version halts at verify, and the checkout is not touched. */
async function expectRefused(computer: Computer, parts: readonly string[], code = 1): Promise<string> {
  expect((await computer.telec('telec-watch')).code).toBe(0)
  const [before, files] = [await untouched(computer), readTree(computer.checkout)]
  const ended = await computer.telec('telec-update', ['--retry'])
  expectFailure(ended, code, parts)
  expect(await untouched(computer)).toEqual(before)
  expect(readTree(computer.checkout)).toEqual(files)
  expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
  return ended.stderr
}

describe('verify: signed-tag', () => {
  async function onBeta(settings: Record<string, string> = {}) {
    const computer = await freshComputer()
    const ann = await sshSigner(computer.folder, 'ann')
    const allowed_signers = keep(computer, 'allowed_signers', ann.allowed)
    const all = { channel: 'beta', verify: 'signed-tag', allowed_signers, ...settings }
    configure(computer, all)
    return { computer, ann, settings: all }
  }

  test('takes a tag that an allowed SSH key signed', async () => {
    const { computer, ann } = await onBeta()
    const commit = await push(computer, '1.1.0', null)
    await pushTag(computer, 'v1.1.0', ann)
    await expectTaken(computer, commit)
  })

  test('takes a tag that a GPG key of the keyring signed', async () => {
    const computer = await freshComputer()
    const ann = await gpgSigner('ann')
    configure(computer, {
      channel: 'beta',
      verify: 'signed-tag',
      keyring: keep(computer, 'keys.asc', await ann.exported()),
    })
    const commit = await push(computer, '1.1.0', null)
    await pushTag(computer, 'v1.1.0', ann)
    await expectTaken(computer, commit)
  })

  test.each<[string, readonly string[], string]>([
    ['a lightweight tag', [], 'it is a lightweight tag'],
    ['an annotated tag', ['--annotate', '--message', 'x'], 'the tag v1.1.0 is not signed'],
  ])('refuses %s, which nobody signed', async (_, options, part) => {
    const { computer } = await onBeta()
    await push(computer, '1.1.0', null)
    await pushTag(computer, 'v1.1.0', null, options)
    await expectRefused(computer, [part])
  })

  test('refuses an SSH key that is not allowed, no longer allowed, or revoked', async () => {
    const { computer, ann, settings } = await onBeta()
    const commit = await push(computer, '1.1.0', null)
    await pushTag(computer, 'v1.1.0', ann)
    const eve = await sshSigner(computer.folder, 'eve')
    keep(computer, 'allowed_signers', eve.allowed)
    await expectRefused(computer, ['is signed by an unknown key'])
    keep(computer, 'allowed_signers', ann.allowed.replace('namespaces', 'valid-before="20200101",namespaces'))
    await expectRefused(computer, ['the tag v1.1.0'])
    keep(computer, 'allowed_signers', ann.allowed)
    configure(computer, { ...settings, revoked_signers: keep(computer, 'revoked', `${ann.publicKey}\n`) })
    await expectRefused(computer, ['the tag v1.1.0'])
    configure(computer, settings)
    await expectTaken(computer, commit)
  })

  test('refuses a GPG key that is not in the keyring, has expired, or was revoked', async () => {
    const computer = await freshComputer()
    const ann = await gpgSigner('ann')
    const other = await gpgSigner('other')
    const keyring = keep(computer, 'keys.asc', await other.exported())
    configure(computer, { channel: 'beta', verify: 'signed-tag', keyring })
    const commit = await push(computer, '1.1.0', null)
    await pushTag(computer, 'v1.1.0', ann)
    await expectRefused(computer, ['is signed by an unknown key'])

    const fingerprint =
      /^fpr:+([0-9A-F]{40}):/m.exec(await ann.gpg('--with-colons', '--list-keys'))?.[1] ?? ''
    const good = await ann.exported()
    await ann.gpg('--quick-set-expire', fingerprint, 'seconds=1')
    const expiring = await ann.exported()
    keep(computer, 'keys.asc', expiring)
    await until('the key to expire', async () =>
      /^pub:e/m.test(await ann.gpg('--with-colons', '--list-keys')),
    )
    await expectRefused(computer, ['an expired key'])

    const revocation = join(ann.home, 'openpgp-revocs.d', `${fingerprint}.rev`)
    await ann.gpg('--quick-set-expire', fingerprint, 'never')
    const text = readFileSync(revocation, 'utf8').replace(':-----BEGIN', '-----BEGIN')
    writeFileSync(revocation, text)
    await ann.gpg('--import', revocation)
    keep(computer, 'keys.asc', await ann.exported())
    await expectRefused(computer, ['a revoked key'])
    keep(computer, 'keys.asc', good)
    await expectTaken(computer, commit)
  })

  test('refuses a signed tag that is served under another name', async () => {
    const { computer, ann } = await onBeta()
    await push(computer, '1.1.0', null)
    await gitAs(computer, ann, ['tag', '--sign', '--message', 'old', 'v1.0.5'])
    const object = await gitAs(computer, null, ['rev-parse', 'refs/tags/v1.0.5'])
    await gitAs(computer, null, ['push', '--quiet', 'origin', `${object}:refs/tags/v9.0.0`])
    await expectRefused(computer, ['the tag v9.0.0 was signed under another name', 'it says v1.0.5'])
  })

  test('refuses a signature that was put under another text', async () => {
    const { computer, ann } = await onBeta()
    await push(computer, '1.1.0', null)
    await gitAs(computer, ann, ['tag', '--sign', '--message', 'good', 'v1.1.0'])
    const signed = await gitAs(computer, null, ['cat-file', 'tag', 'v1.1.0'])
    const evil = await push(computer, '1.1.1', null, 'evil')
    const forged = `${signed.replace(/^object .*/, `object ${evil}`)}\n`
    const file = keep(computer, 'forged', forged)
    const id = await gitAs(computer, null, ['hash-object', '-t', 'tag', '-w', file])
    await gitAs(computer, null, ['push', '--quiet', 'origin', `${id}:refs/tags/v1.1.0`])
    await expectRefused(computer, ['the tag v1.1.0'])
  })

  test('refuses a tag of a signed tag', async () => {
    const { computer, ann } = await onBeta()
    await push(computer, '1.1.0', null)
    await gitAs(computer, ann, ['tag', '--sign', '--message', 'inner', 'inner'])
    await gitAs(computer, ann, ['tag', '--sign', '--message', 'outer', 'v1.1.0', 'inner'])
    await gitAs(computer, null, ['push', '--quiet', 'origin', 'refs/tags/v1.1.0'])
    await expectRefused(computer, ['is not the tag of the commit itself'])
  })
})

describe('verify: signed-commit', () => {
  async function onAlpha(settings: Record<string, string> = {}) {
    const computer = await freshComputer()
    const ann = await sshSigner(computer.folder, 'ann')
    const allowed_signers = keep(computer, 'allowed_signers', ann.allowed)
    configure(computer, { verify: 'signed-commit', allowed_signers, ...settings })
    return { computer, ann }
  }

  test('takes commits that are all signed', async () => {
    const { computer, ann } = await onAlpha()
    await push(computer, '1.1.0', ann)
    await expectTaken(computer, await push(computer, '1.2.0', ann))
  })

  test('refuses where one between is not, and names it without what could rewrite a screen', async () => {
    const { computer, ann } = await onAlpha()
    const bad = await push(computer, '1.1.0', null, 'sub\u001b[2Jject')
    await push(computer, '1.2.0', ann)
    const said = await expectRefused(computer, [
      'no valid signature: 1 of 2 commits',
      `${bad.slice(0, 12)} is not signed: sub`,
    ])
    expect(said).not.toContain('\u001b')
    expect((await computer.telec('telec', ['status'])).stdout).not.toContain('\u001b')
  })

  test('takes it where the tip alone is asked for', async () => {
    const { computer, ann } = await onAlpha({ verify_commits: 'tip' })
    await push(computer, '1.1.0', null)
    await expectTaken(computer, await push(computer, '1.2.0', ann))
  })

  test('refuses commits of an unknown key and merges that nobody signed', async () => {
    const { computer, ann } = await onAlpha()
    const eve = await sshSigner(computer.folder, 'eve')
    await push(computer, '1.1.0', eve)
    await expectRefused(computer, ['is signed by an unknown key'])
    await gitAs(computer, null, ['reset', '--quiet', '--hard', 'HEAD~1'])
    await gitAs(computer, ann, ['commit', '--quiet', '--gpg-sign', '--allow-empty', '--message', 'side'])
    const side = await gitAs(computer, null, ['rev-parse', 'HEAD'])
    await gitAs(computer, null, ['reset', '--quiet', '--hard', 'HEAD~1'])
    await gitAs(computer, ann, ['commit', '--quiet', '--gpg-sign', '--allow-empty', '--message', 'main'])
    await gitAs(computer, null, ['merge', '--quiet', '--no-ff', '--message', 'a merge', side])
    await gitAs(computer, null, ['push', '--quiet', '--force', 'origin', 'HEAD:main'])
    await expectRefused(computer, ['1 of 3 commits', 'is not signed: a merge'])
  })

  test('wants the commit itself signed where nothing lies between: a branch that was wound back', async () => {
    const { computer, ann } = await onAlpha()
    const unsigned = await gitAs(computer, null, ['rev-parse', 'HEAD'])
    await expectTaken(computer, await push(computer, '1.1.0', ann))
    await gitAs(computer, null, ['push', '--quiet', '--force', 'origin', `${unsigned}:refs/heads/main`])
    await computer.telec('telec-watch')
    const ended = await computer.telec('telec-update', ['--accept-rewrite'])
    expectFailure(ended, 1, ['1 of 1 commit', 'is not signed: first'])
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).not.toBe(unsigned)
  })

  test('reads a subject only as far as it shows it', async () => {
    const { computer } = await onAlpha()
    await gitAs(computer, null, [
      'commit',
      '--quiet',
      '--allow-empty',
      '--file',
      keep(computer, 'huge', 'x'.repeat(40_000_000)),
    ])
    await gitAs(computer, null, ['push', '--quiet', 'origin', 'HEAD:main'])
    const said = await expectRefused(computer, ['1 of 1 commit', 'is not signed: xxx'])
    expect(said.length).toBeLessThan(3_000)
  })

  test('also counts with GPG, and on releases', async () => {
    const computer = await freshComputer()
    const ann = await gpgSigner('ann')
    const keyring = keep(computer, 'keys.asc', await ann.exported())
    configure(computer, { channel: 'beta', verify: 'signed-commit', keyring })
    await push(computer, '1.1.0', null)
    await pushTag(computer, 'v1.1.0', null)
    await expectRefused(computer, ['1 of 1 commit'])
    configure(computer, { channel: 'beta', verify: 'signed-commit', keyring, verify_commits: 'tip' })
    const commit = await push(computer, '1.2.0', ann)
    await pushTag(computer, 'v1.2.0', null)
    await expectTaken(computer, commit)
  })
})

describe('who may sign cannot be chosen by the repository', () => {
  test('its own configuration is not asked', async () => {
    const computer = await freshComputer()
    const [ann, eve] = [await sshSigner(computer.folder, 'ann'), await sshSigner(computer.folder, 'eve')]
    const allowed_signers = keep(computer, 'allowed_signers', ann.allowed)
    configure(computer, { verify: 'signed-commit', allowed_signers })
    const yes = keep(computer, 'yes', `#!/bin/sh\ntouch ${computer.folder}/was-run\nexit 0\n`)
    chmodSync(yes, 0o755)
    for (const key of ['gpg.program', 'gpg.ssh.program', 'gpg.openpgp.program', 'gpg.x509.program'])
      await computer.gitInCheckout('config', key, yes)
    await computer.gitInCheckout('config', 'gpg.ssh.allowedSignersFile', keep(computer, 'evil', eve.allowed))
    await push(computer, '1.1.0', eve)
    await expectRefused(computer, ['is signed by an unknown key'])
    expect(existsSync(join(computer.folder, 'was-run'))).toBe(false)
  })

  test.each<[string, (computer: Computer) => string, string[]]>([
    [
      'in the checkout',
      (computer) => {
        writeFileSync(join(computer.checkout, '.git/signers'), 'x')
        return join(computer.checkout, '.git/signers')
      },
      ['lies in the checkout'],
    ],
    ['that is missing', (computer) => join(computer.folder, 'none'), ['is no file']],
    [
      'that others may write',
      (computer) => {
        const file = keep(computer, 'open', 'x')
        chmodSync(file, 0o666)
        return file
      },
      ['others can change or replace', 'chmod go-w'],
    ],
    [
      'in a folder that others may write',
      (computer) => {
        const file = keep(computer, 'signers', 'x')
        chmodSync(dirname(file), 0o777)
        return file
      },
      ['others can change or replace', 'chmod go-w'],
    ],
    [
      'somewhere below a folder that others may write',
      (computer) => {
        const folder = join(dirname(keep(computer, 'signers', 'x')), 'open')
        mkdirSync(join(folder, 'closed'), { recursive: true })
        writeFileSync(join(folder, 'closed/signers'), 'x')
        chmodSync(folder, 0o777)
        return join(folder, 'closed/signers')
      },
      ['others can change or replace', 'chmod go-w'],
    ],
    [
      'of another user',
      (computer) => {
        const file = keep(computer, 'theirs', 'x')
        chownSync(file, 65_534, 65_534)
        return file
      },
      ['others can change or replace', 'belongs to uid 65534'],
    ],
  ])('a file %s is a wrong configuration', async (_, file, parts) => {
    const computer = await freshComputer()
    configure(computer, { verify: 'signed-commit', allowed_signers: file(computer) })
    await computer.push(version('1.1.0'))
    await expectRefused(computer, parts, 78)
  })

  test('a link that leads to itself is no bug', async () => {
    const computer = await freshComputer()
    const loop = join(computer.folder, 'loop')
    symlinkSync(loop, loop)
    configure(computer, { verify: 'signed-commit', allowed_signers: loop })
    await computer.push(version('1.1.0'))
    await expectRefused(computer, [`cannot read ${loop}`, 'ELOOP'], 1)
  })

  test.each<[string, Record<string, string>, string[]]>([
    ['nobody who may sign', { verify: 'signed-commit' }, ['deployment.verify', 'allowed_signers', 'keyring']],
    [
      'signed tags on alpha',
      { verify: 'signed-tag', allowed_signers: '/etc/telec/signers' },
      ['deployment.verify', 'signed-commit on alpha'],
    ],
  ])('%s is a wrong configuration', async (_, settings, parts) => {
    const computer = await freshComputer()
    configure(computer, settings)
    expectFailure(await computer.telec('telec-watch'), 78, parts)
  })
})
