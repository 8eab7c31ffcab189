import { randomBytes } from 'node:crypto'
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Computer } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { serveHttpGit } from '../helpers/http-git.ts'
import { expectFailure } from '../helpers/messages.ts'
import { succeed } from '../helpers/programs.ts'
import { gitAs, keep, type Signer, sshSigner } from '../helpers/signing.ts'
import { freeBytes, putGitOnSmallDisk } from '../helpers/small-disk.ts'
import { halted, watchAndUpdate } from '../helpers/update.ts'

// The attacks by the names that The Update Framework has for them; SECURITY.md has a row for each.

type Verify = 'none' | 'signed-tag' | 'signed-commit'

/** A computer, and who may sign for it. */
async function subscriber(channel: 'alpha' | 'beta', verify: Verify, more = '') {
  const computer = await freshComputer()
  const ann = await sshSigner(computer.folder, 'ann')
  const signers = keep(computer, 'allowed_signers', ann.allowed)
  const trust = verify === 'none' ? '' : `  verify: ${verify}\n  allowed_signers: ${signers}\n`
  computer.writeConfig(
    `deployment:\n  checkout: ${computer.checkout}\n  channel: ${channel}\n${trust}${more}`,
  )
  return { computer, ann }
}

/** Publishes a version as a signer, or as a user who has no key. */
async function publish(computer: Computer, number: string, signer: Signer | null): Promise<string> {
  writeFileSync(join(computer.folder, 'work/package.json'), JSON.stringify({ name: 'web', version: number }))
  await gitAs(computer, null, ['add', '--all'])
  const sign = signer ? ['--gpg-sign'] : []
  await gitAs(computer, signer, ['commit', '--quiet', '--allow-empty', ...sign, '--message', number])
  await gitAs(computer, signer, ['tag', ...(signer ? ['--sign', '--message', number] : []), `v${number}`])
  await gitAs(computer, null, ['push', '--quiet', '--force', 'origin', 'HEAD:main', `v${number}`])
  return gitAs(computer, null, ['rev-parse', 'HEAD'])
}

const head = (computer: Computer) => computer.gitInCheckout('rev-parse', 'HEAD')

/** What must be unchanged where something is refused; HEAD may be at a tag. */
async function untouched(computer: Computer): Promise<Record<string, unknown>> {
  const deployed = computer.state('update_state.json')?.deployed
  const status = await computer.gitInCheckout('status', '--porcelain')
  return { deployed, signal: computer.state('update_signal.json'), head: await head(computer), status }
}

async function expectTaken(computer: Computer, commit: string): Promise<void> {
  const ended = await watchAndUpdate(computer)
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  expect(await head(computer)).toBe(commit)
}

/** The available version is signalled, and halts before the checkout is touched. */
async function expectHalted(computer: Computer, parts: readonly string[]): Promise<void> {
  expect((await computer.telec('telec-watch')).code).toBe(0)
  const before = await untouched(computer)
  expectFailure(await computer.telec('telec-update'), 1, parts)
  expect(halted(computer)).toMatchObject({ step: 'verify', transient: false })
  expect(await untouched(computer)).toEqual(before)
}

/** The poll does not ask for the available version, and says why. */
async function expectNotTaken(computer: Computer, part: string): Promise<void> {
  const { head: before } = await untouched(computer)
  const watched = await computer.telec('telec-watch', ['--explain'])
  expect(watched.stdout + watched.stderr).toContain(part)
  expect(await untouched(computer)).toMatchObject({ head: before, signal: null })
}

/** As on a computer whose files were lost: it knows only the checked-out commit. */
function forget(computer: Computer): void {
  for (const name of ['update_state.json', 'watch_state.json', 'quiet'])
    rmSync(join(computer.home, name), { force: true })
}

describe('arbitrary software', () => {
  test.each(['alpha', 'beta'] as const)(
    'on %s is taken from whoever can push, where nothing is verified',
    async (channel) => {
      const { computer } = await subscriber(channel, 'none')
      await expectTaken(computer, await publish(computer, '1.1.0', null))
    },
  )

  test.each([
    ['alpha', 'signed-commit'],
    ['beta', 'signed-commit'],
    ['beta', 'signed-tag'],
  ] as const)('on %s with verify: %s is refused', async (channel, verify) => {
    const { computer, ann } = await subscriber(channel, verify)
    await expectTaken(computer, await publish(computer, '1.1.0', ann))
    await publish(computer, '1.2.0', null)
    await expectHalted(computer, ['not signed'])
  })
})

describe('rollback', () => {
  test.each(['none', 'signed-tag'] as const)(
    'to an older release, verify: %s, is refused, also by who forgot all',
    async (verify) => {
      const { computer, ann } = await subscriber('beta', verify)
      await publish(computer, '1.0.1', ann)
      await expectTaken(computer, await publish(computer, '1.1.0', ann))
      await computer.git('push', '--quiet', '--delete', 'origin', 'v1.1.0')
      await expectNotTaken(computer, 'is older than 1.1.0, which is deployed')
      forget(computer)
      await expectNotTaken(computer, 'is older than 1.1.0, which is deployed')
    },
  )

  test.each(['none', 'signed-commit'] as const)(
    'of a branch, verify: %s, is refused, also by who forgot all',
    async (verify) => {
      const { computer, ann } = await subscriber('alpha', verify)
      const older = await publish(computer, '1.1.0', ann)
      await expectTaken(computer, older)
      await expectTaken(computer, await publish(computer, '1.2.0', ann))
      await computer.git('push', '--quiet', '--force', 'origin', `${older}:main`)
      await expectHalted(computer, ['is not a fast-forward'])
      forget(computer)
      rmSync(join(computer.home, 'update_signal.json'))
      await expectHalted(computer, ['is not a fast-forward'])
    },
  )
})

describe('rollback in disguise', () => {
  /** An old commit, which is signed, under a new name, which needs no key. */
  async function disguised(verify: Verify) {
    const { computer, ann } = await subscriber('beta', verify)
    const old = await publish(computer, '1.0.1', ann)
    await publish(computer, '1.1.0', ann)
    await expectTaken(computer, await publish(computer, '1.2.0', ann))
    await computer.git('push', '--quiet', 'origin', `${old}:refs/tags/v9.0.0`)
    return { computer, ann, old }
  }

  test.each(['none', 'signed-commit'] as const)(
    'with verify: %s is refused, also by who forgot all; a person passes it over, or takes it',
    async (verify) => {
      const { computer, ann, old } = await disguised(verify)
      const parts = [`9.0.0 (${old.slice(0, 12)}) is older than 1.2.0`, 'telec hold 9.0.0']
      await expectHalted(computer, parts)
      forget(computer)
      rmSync(join(computer.home, 'update_signal.json'))
      await expectHalted(computer, parts)
      expect((await computer.telec('telec', ['hold', '9.0.0'])).code).toBe(0)
      await expectTaken(computer, await publish(computer, '1.3.0', ann))
      expect((await computer.telec('telec', ['unhold', '9.0.0'])).code).toBe(0)
      await expectHalted(computer, [`9.0.0 (${old.slice(0, 12)}) is older than 1.3.0`])
      expect((await computer.telec('telec-update', ['--allow-downgrade'])).code).toBe(42)
      expect(await head(computer)).toBe(old)
    },
  )

  test('a rollback that a user asked for is none, nor is their pin', async () => {
    const { computer, ann } = await subscriber('beta', 'signed-commit')
    const old = await publish(computer, '1.0.1', ann)
    const first = await publish(computer, '1.1.0', ann)
    await expectTaken(computer, first)
    await expectTaken(computer, await publish(computer, '1.2.0', ann))
    expect((await computer.telec('telec', ['rollback'])).code).toBe(42)
    expect(await head(computer)).toBe(first)
    await computer.git('push', '--quiet', 'origin', `${old}:refs/tags/v9.0.0`)
    const pin = { version: '9.0.0', ref: 'refs/tags/v9.0.0', commit: old, since: '2026-01-01T00:00:00Z' }
    computer.writeState('choices.json', JSON.stringify({ pin, held: [] }))
    await expectTaken(computer, old)
  })

  test('on alpha a signed commit of any branch is taken, if it descends from the deployed version', async () => {
    const { computer, ann } = await subscriber('alpha', 'signed-commit')
    await expectTaken(computer, await publish(computer, '1.1.0', ann))
    await gitAs(computer, null, ['checkout', '--quiet', '-b', 'experiment'])
    const unmerged = await publish(computer, '1.2.0', ann) // which it pushes as main
    await expectTaken(computer, unmerged)
  })
})

describe('indefinite freeze', () => {
  test('is not told from a day without a push; a remote that is cut off is', async () => {
    const { computer } = await subscriber('beta', 'none')
    await expectTaken(computer, await publish(computer, '1.1.0', null))
    const frozen = `${computer.remote}-frozen`
    cpSync(computer.remote, frozen, { recursive: true })
    await publish(computer, '1.2.0', null)
    await computer.gitInCheckout('remote', 'set-url', 'origin', frozen)
    await expectNotTaken(computer, '1.1.0 is the newest release')
    renameSync(frozen, `${frozen}-away`)
    for (const failures of [1, 2]) {
      expectFailure(await computer.telec('telec-watch'), 75, ['out of reach'])
      expect(computer.state('watch_state.json')).toMatchObject({ failures })
    }
    expect((await computer.telec('telec', ['doctor'])).code).toBe(1)
  })
})

describe('fast-forward', () => {
  test('to a version without a successor is undone by a user', async () => {
    const { computer } = await subscriber('beta', 'none')
    const good = await publish(computer, '1.1.0', null)
    await expectTaken(computer, good)
    await expectTaken(computer, await publish(computer, '999.0.0', null))
    await computer.git('push', '--quiet', '--delete', 'origin', 'v999.0.0')
    await expectNotTaken(computer, 'is older than 999.0.0, which is deployed')
    expect((await computer.telec('telec-update', ['--allow-downgrade'])).code).toBe(42)
    expect(await head(computer)).toBe(good)
  })

  test('is refused where tags are signed, and over once the tag was removed', async () => {
    const { computer, ann } = await subscriber('beta', 'signed-tag')
    await publish(computer, '999.0.0', null)
    await expectHalted(computer, ['v999.0.0 is not signed'])
    await computer.git('push', '--quiet', '--delete', 'origin', 'v999.0.0')
    await expectTaken(computer, await publish(computer, '1.1.0', ann))
  })
})

describe('mix and match', () => {
  test('a mirror that has something else under the name that was announced is skipped', async () => {
    const { computer } = await subscriber('beta', 'none', '  mirrors:\n    - ../mirror.git\n')
    const good = await publish(computer, '1.1.0', null)
    expect((await computer.telec('telec-watch')).code).toBe(0)
    const mirror = join(computer.folder, 'mirror.git')
    cpSync(computer.remote, mirror, { recursive: true })
    await gitAs(computer, null, ['commit', '--quiet', '--allow-empty', '--message', 'another'])
    await gitAs(computer, null, ['push', '--quiet', '--force', mirror, 'HEAD:refs/tags/v1.1.0'])
    renameSync(computer.remote, `${computer.remote}-away`)
    const before = await untouched(computer)
    const ended = await computer.telec('telec-update')
    expectFailure(ended, 75, ['skipped the mirror ../mirror.git', 'no longer available'])
    expect(await untouched(computer)).toEqual(before)
    renameSync(`${computer.remote}-away`, computer.remote)
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
    expect(await head(computer)).toBe(good)
  })
})

describe('wrong software', () => {
  test.each([
    ['alpha', 'signed-commit', 'not a fast-forward'],
    ['beta', 'none', 'no history in common'],
    ['beta', 'signed-tag', 'no history in common'],
  ] as const)('on %s with verify: %s, signed by the same key, is refused', async (channel, verify, part) => {
    const { computer, ann } = await subscriber(channel, verify)
    await expectTaken(computer, await publish(computer, '1.1.0', ann))
    await gitAs(computer, null, ['checkout', '--quiet', '--orphan', 'another-project'])
    const other = await publish(computer, '2.0.0', ann)
    await expectHalted(computer, [part])
    // A user may know better.
    expect((await computer.telec('telec-update', ['--accept-rewrite'])).code).toBe(42)
    expect(await head(computer)).toBe(other)
  })

  test('is no false alarm in a shallow checkout', async () => {
    const { computer } = await subscriber('beta', 'none')
    await publish(computer, '1.1.0', null)
    rmSync(computer.checkout, { recursive: true })
    const options = ['--quiet', '--depth', '1', '--branch', 'v1.1.0']
    await succeed('git', ['clone', ...options, `file://${computer.remote}`, computer.checkout])
    forget(computer)
    // A release branch that leaves before the deployed version.
    await gitAs(computer, null, ['checkout', '--quiet', '-b', 'release', 'HEAD~1'])
    await expectTaken(computer, await publish(computer, '1.2.0', null))
  })
})

describe('endless data', () => {
  test('a pack without an end leaves room on the disk, and nothing of itself', async () => {
    const { computer } = await subscriber('alpha', 'none', '  fetch_timeout: 2m\n')
    await publish(computer, '1.1.0', null)
    expect((await computer.telec('telec-watch')).code).toBe(0)
    const git = await putGitOnSmallDisk(computer)
    let least = Number.POSITIVE_INFINITY
    const server = await serveHttpGit(computer.folder)
    await computer.gitInCheckout('remote', 'set-url', 'origin', server.url('remote.git'))
    server.instead = (request, response) => {
      if (request.method !== 'POST') return false
      let asked = ''
      request.setEncoding('utf8').on('data', (text: string) => {
        asked += text
      })
      request.on('end', () => {
        if (asked.includes('command=ls-refs')) return void answerRefs(computer, response)
        response.writeHead(200, { 'content-type': 'application/x-git-upload-pack-result' })
        if (!asked.includes('done\n')) response.write('0014acknowledgments\n000aready\n0001')
        response.write('000dpackfile\n')
        const band = (data: Buffer) => {
          const length = (data.length + 5).toString(16).padStart(4, '0')
          return Buffer.concat([Buffer.from(`${length}\u0001`, 'latin1'), data])
        }
        // A million objects are announced, and the first blob does not end: stored blocks of deflate (RFC 1951).
        response.write(band(Buffer.from('PACK\0\0\0\u0002\0\u000f\u0042\u0040', 'latin1')))
        response.write(band(Buffer.from('bfffffffff7f7801', 'hex')))
        const block = Buffer.concat([Buffer.from([0, 0, 0x80, 0xff, 0x7f]), Buffer.alloc(0x8000)])
        const more = async () => {
          least = Math.min(least, await freeBytes(git))
          while (response.write(band(block)));
          response.once('drain', more)
        }
        void more()
      })
      return true
    }
    const before = await untouched(computer)
    expectFailure(await computer.telec('telec-update'), 75, ['does not fit on the disk'])
    expect(least).toBeGreaterThan(60 * 1024 * 1024)
    expect(readdirSync(join(git, 'objects/pack')).filter((name) => name.startsWith('tmp_'))).toEqual([])
    expect(await untouched(computer)).toEqual(before)
    server.instead = null
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
  })

  test('files of which each would fit, and not all of them', async () => {
    const { computer } = await subscriber('alpha', 'none')
    await publish(computer, '1.1.0', null)
    for (const name of ['a', 'b', 'c'])
      writeFileSync(join(computer.folder, 'work', name), randomBytes(40 * 2 ** 20))
    await publish(computer, '1.2.0', null)
    expect((await computer.telec('telec-watch')).code).toBe(0)
    const git = await putGitOnSmallDisk(computer)
    const before = await freeBytes(git)
    expectFailure(await computer.telec('telec-update'), 75, ['does not fit on the disk'])
    expect(await freeBytes(git)).toBeGreaterThan(before - 2 ** 20)
  })

  /** As git upload-pack answers ls-refs (gitprotocol-v2(5)). */
  async function answerRefs(computer: Computer, response: import('node:http').ServerResponse): Promise<void> {
    const commit = await computer.git('rev-parse', 'HEAD')
    const line = `${commit} refs/heads/main\n`
    response.writeHead(200, { 'content-type': 'application/x-git-upload-pack-result' })
    response.end(`${(line.length + 4).toString(16).padStart(4, '0')}${line}0000`)
  }
})

describe('malicious mirrors', () => {
  test.each(['none', 'signed-tag'] as const)('while the remote is away, verify: %s', async (verify) => {
    const { computer, ann } = await subscriber('beta', verify, '  mirrors:\n    - ../mirror.git\n')
    await expectTaken(computer, await publish(computer, '1.1.0', ann))
    cpSync(computer.remote, join(computer.folder, 'mirror.git'), { recursive: true })
    await gitAs(computer, null, ['remote', 'set-url', 'origin', join(computer.folder, 'mirror.git')])
    const evil = await publish(computer, '1.2.0', null)
    renameSync(computer.remote, `${computer.remote}-away`)
    if (verify === 'none') await expectTaken(computer, evil)
    else await expectHalted(computer, ['v1.2.0 is not signed'])
  })
})

test('key compromise: a removed key signs no new release, and its signed releases are not taken', async () => {
  const { computer, ann } = await subscriber('beta', 'signed-tag')
  const bob = await sshSigner(computer.folder, 'bob')
  await expectTaken(computer, await publish(computer, '1.1.0', ann))
  keep(computer, 'allowed_signers', bob.allowed)
  await publish(computer, '1.2.0', ann)
  await expectHalted(computer, ['is signed by an unknown key'])
  await expectTaken(computer, await publish(computer, '1.3.0', bob))
})

test('key compromise: an expired key signs commits dated before that, until it is revoked; doctor names it', async () => {
  const { computer, ann } = await subscriber('alpha', 'signed-commit')
  keep(computer, 'allowed_signers', ann.allowed.replace('namespaces', 'valid-before="20250101Z",namespaces'))
  const checked = await computer.telec('telec', ['doctor'])
  const [, at = ''] =
    /^✓ signers .*signed-commit, .* have expired.*: ann@example\.org \(line 1, (.* [+-]\d{4})\)$/m.exec(
      checked.stdout,
    ) ?? []
  expect(new Date(at).toISOString()).toBe('2025-01-01T00:00:00.000Z')
  const backDated = { ...ann, env: { GIT_COMMITTER_DATE: '2024-06-01T00:00:00Z' } }
  await expectTaken(computer, await publish(computer, '1.1.0', backDated))
  computer.writeConfig(
    `${readFileSync(join(computer.home, 'config.yml'), 'utf8')}  revoked_signers: ${keep(computer, 'revoked', `${ann.publicKey}\n`)}\n`,
  )
  await publish(computer, '1.2.0', backDated)
  await expectHalted(computer, ['no valid signature'])
})
