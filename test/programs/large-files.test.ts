import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { serveHttpGit } from '../helpers/http-git.ts'
import { expectFailure } from '../helpers/messages.ts'
import { succeed } from '../helpers/programs.ts'
import { keep, sshSigner } from '../helpers/signing.ts'
import { freeBytes, putGitOnSmallDisk } from '../helpers/small-disk.ts'
import { addSubmodule, commitTo, configureSubmodules, inCheckout } from '../helpers/submodules.ts'
import { halted, untouched, watchAndUpdate } from '../helpers/update.ts'

const MIB = 2 ** 20

/** A pointer as git-lfs writes it (docs/spec.md), without an object. */
function pointer(oid: string, size: number | bigint): string {
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${size}\n`
}
const idOf = (text: string) => createHash('sha256').update(text).digest('hex')
const pointerTo = (text: string) => pointer(idOf(text), text.length)
const idNumber = (number: number) => String(number).padStart(64, '0')
const ATTRIBUTES = { '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n' }

interface Server {
  /** The ids of the files that were asked for. */
  readonly asked: string[]
  /** The least that was free on the disk while it sent, in bytes. */
  leastFree: number
}

/** A computer whose .git is a disk of 160 MiB, and the server of its large files, which has `texts`, and bytes without an end of all else. */
async function withSmallDisk(...texts: readonly string[]) {
  const computer = await freshComputer()
  await computer.gitInCheckout('lfs', 'install', '--local')
  const git = await putGitOnSmallDisk(computer)
  const has = new Map(texts.map((text) => [idOf(text), text]))
  const http = await serveHttpGit(computer.folder)
  const server: Server = { asked: [], leastFree: Number.POSITIVE_INFINITY }
  const look = async () => {
    server.leastFree = Math.min(server.leastFree, await freeBytes(git))
  }
  http.instead = (request, response) => {
    if (request.url?.endsWith('/objects/batch'))
      void answerBatch(http.url('large/'), server, request, response)
    else if (!request.url?.startsWith('/large/')) return false
    else {
      void send(response, has.get(request.url.slice('/large/'.length)) ?? null, look)
    }
    return true
  }
  await computer.gitInCheckout('remote', 'set-url', 'origin', http.url('remote.git'))
  await computer.gitInCheckout('config', 'lfs.transfer.maxretries', '1')
  return { computer, server, http }
}

async function withLargeFiles(files: Readonly<Record<string, string>>, ...texts: readonly string[]) {
  const { computer, server } = await withSmallDisk(...texts)
  await computer.push({ ...version('1.1.0'), ...ATTRIBUTES, ...files })
  expect((await computer.telec('telec-watch')).code).toBe(0)
  return { computer, server }
}

/** As a server of git-lfs answers (docs/api/batch.md): all that is asked for is there, and of the size that is asked for. */
async function answerBatch(
  url: string,
  server: Server,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const { objects } = JSON.parse(Buffer.concat(chunks).toString()) as { objects: { oid: string }[] }
  server.asked.push(...objects.map(({ oid }) => oid))
  const answered = objects.map((one) => ({ ...one, actions: { download: { href: `${url}${one.oid}` } } }))
  response.writeHead(200, { 'content-type': 'application/vnd.git-lfs+json' })
  response.end(JSON.stringify({ transfer: 'basic', objects: answered }))
}

async function send(response: ServerResponse, text: string | null, look: () => Promise<void>): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/octet-stream' })
  if (text !== null) return void response.end(text)
  response.on('error', () => undefined)
  const more = async () => {
    await look()
    if (response.destroyed) return
    while (response.write(Buffer.alloc(MIB)));
    response.once('drain', more)
  }
  await more()
}

/** What git-lfs has stored, by its sizes. */
function stored({ checkout }: Computer): number[] {
  const folder = join(checkout, '.git/lfs')
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)).length)
}

describe('files in git LFS', () => {
  test('are not asked for before the commit that names them is verified, nor is its .lfsconfig', async () => {
    const { computer, server } = await withLargeFiles({
      'a.bin': pointer(idNumber(7), 1_000),
      '.lfsconfig': '[lfs]\n\turl = http://127.0.0.1:9/evil\n',
    })
    const { allowed } = await sshSigner(computer.folder, 'ann')
    const signers = keep(computer, 'allowed_signers', allowed)
    computer.writeConfig(
      `deployment:\n  checkout: ${computer.checkout}\n  verify: signed-commit\n  allowed_signers: ${signers}\n`,
    )
    const before = await untouched(computer)
    expectFailure(await computer.telec('telec-update'), 1, ['not signed'])
    expect(await untouched(computer)).toEqual(before)
    expect(halted(computer)).toMatchObject({ step: 'verify' })
    expect(server.asked).toEqual([])
    expect(stored(computer)).toEqual([])
  })

  test('come with any names, also where not all fit at the size of the largest', async () => {
    const large = 'l'.repeat(40 * MIB)
    const { computer } = await withLargeFiles(
      {
        'large.bin': pointerTo(large),
        'with, comma*.bin': pointerTo('one'),
        '[ä]?\\.bin': pointerTo('two'),
        ':(glob)x.bin': pointerTo('one'),
        ':x.bin': pointerTo('three'),
        'same.bin': pointerTo('one'),
      },
      large,
      'one',
      'two',
      'three',
    )
    const ended = await computer.telec('telec-update')
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    for (const [name, text] of Object.entries({
      'with, comma*.bin': 'one',
      '[ä]?\\.bin': 'two',
      ':(glob)x.bin': 'one',
      ':x.bin': 'three',
      'same.bin': 'one',
    }))
      expect(readFileSync(join(computer.checkout, name), 'utf8')).toBe(text)
    expect(readFileSync(join(computer.checkout, 'large.bin'), 'utf8') === large).toBe(true)
  })

  test('that git lfs does not tell from others never come with the checkout, without a bound', async () => {
    const lines = `\n   size: 1\ncheckout: true\ndownload: true\n    oid: sha256 ${idNumber(1)}\n`
    const { computer, server } = await withLargeFiles({ [`a${lines}.bin`]: pointer(idNumber(7), 1_000) })
    expectFailure(await computer.telec('telec-update'), 75, ['smudge filter lfs failed'])
    expect(server.asked).toEqual([])
    expect(stored(computer).every((size) => size < MIB)).toBe(true)
  })

  test('come also where only the computer knows which they are', async () => {
    const { computer } = await withSmallDisk('one')
    writeFileSync(join(computer.checkout, '.git/info/attributes'), ATTRIBUTES['.gitattributes'])
    await computer.push({ ...version('1.1.0'), 'a.bin': pointerTo('one') })
    const ended = await watchAndUpdate(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(readFileSync(join(computer.checkout, 'a.bin'), 'utf8')).toBe('one')
  })

  test.each([110n * BigInt(MIB), 10n ** 18n])(
    'whose pointers name more than fits are not asked for: %d bytes',
    async (size) => {
      const { computer, server } = await withLargeFiles({ 'a.bin': pointer(idNumber(7), size) })
      const before = await untouched(computer)
      expectFailure(await computer.telec('telec-update'), 75, ['does not fit on the disk', 'for 1 file,'])
      expect(await untouched(computer)).toEqual(before)
      expect(server.asked).toEqual([])
    },
  )

  test.each<[string, readonly number[]]>([
    ['small', [1_000, 1_001, 1_002, 1_003]],
    ['large, one among small ones', [70 * MIB, 1_001, 1_002, 1_003]],
  ])('of which a server sends more than the pointers say are refused: %s', async (_, sizes) => {
    const pointers = sizes.map((size, index): [string, string] => [
      `${index}.bin`,
      pointer(idNumber(index), size),
    ])
    const { computer, server } = await withLargeFiles(Object.fromEntries(pointers))
    const before = await untouched(computer)
    expectFailure(await computer.telec('telec-update'), 75, ['sends more than its pointers say'])
    expect(await untouched(computer)).toEqual(before)
    expect(server.asked).not.toEqual([])
    expect(server.leastFree).toBeGreaterThan(64 * MIB)
    expect(stored(computer)).toEqual([])
  })

  test('that a remote on this computer lacks are retried', async () => {
    const computer = await freshComputer()
    await computer.gitInCheckout('lfs', 'install', '--local')
    await computer.gitInCheckout('remote', 'set-url', 'origin', `file://${computer.remote}`)
    await computer.push({ ...version('1.1.0'), ...ATTRIBUTES, 'a.bin': pointerTo('one') })
    expectFailure(await watchAndUpdate(computer), 75, ['git lfs failed', 'remote missing object'])
  })

  test('that a user leaves out are neither counted nor fetched', async () => {
    const left = pointer(idNumber(7), 10n ** 18n)
    const { computer, server } = await withLargeFiles({ 'a.bin': left })
    await computer.gitInCheckout('config', 'lfs.fetchexclude', '*.bin')
    expect((await computer.telec('telec-update')).code).toBe(42)
    expect(server.asked).toEqual([])
    expect(readFileSync(join(computer.checkout, 'a.bin'), 'utf8')).toBe(left)
  })
})

describe('submodules', () => {
  test('bring their own files in git LFS', async () => {
    const { computer, http, server } = await withSmallDisk('one', 'two')
    const library = join(computer.folder, 'library')
    await commitTo(library, { ...ATTRIBUTES, 'a.bin': pointerTo('one') })
    await addSubmodule(join(computer.folder, 'work'), http.url('library/.git'), 'lib')
    server.asked.length = 0 // by the person's own git
    configureSubmodules(computer)
    const env = { HOME: computer.folder }
    await succeed('git', ['lfs', 'install', '--skip-repo'], {
      env: { ...process.env, ...env, GIT_CONFIG_GLOBAL: join(computer.folder, '.gitconfig') },
    })
    const expectUpdated = async (number: string, text: string) => {
      await computer.push(version(number))
      const ended = await watchAndUpdate(computer, [], env)
      expect(ended, ended.stderr).toMatchObject({ code: 42 })
      expect(inCheckout(computer, 'lib/a.bin')).toBe(text)
    }
    await expectUpdated('1.1.0', 'one')
    await commitTo(library, { 'a.bin': pointerTo('two') })
    await computer.git('-C', 'lib', 'fetch', '--quiet')
    await computer.git('-C', 'lib', 'reset', '--quiet', '--hard', 'origin/main')
    await expectUpdated('1.2.0', 'two')
    expect(server.asked).toEqual([idOf('one'), idOf('two')])
  })

  test('of which one does not fit leave room on the disk, and nothing of that one', async () => {
    const { computer, http } = await withSmallDisk()
    for (const name of ['first', 'second']) {
      const library = join(computer.folder, name)
      mkdirSync(library)
      writeFileSync(join(library, 'large'), randomBytes(60 * MIB))
      await commitTo(library, {})
      await addSubmodule(join(computer.folder, 'work'), http.url(`${name}/.git`), name)
    }
    await computer.push(version('1.1.0'))
    configureSubmodules(computer)
    const head = await computer.gitInCheckout('rev-parse', 'HEAD')
    const ended = await watchAndUpdate(computer)
    expectFailure(ended, 75, ['the fetch from the remote of the submodule second does not fit on the disk'])
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(head)
    const modules = join(computer.checkout, '.git/modules')
    expect(readdirSync(modules)).toEqual(['first'])
    expect(readdirSync(modules, { recursive: true, encoding: 'utf8' }).join()).not.toContain('tmp_')
  })
})

test('what a partial clone lacks of a commit comes after it was verified, and leaves room', async () => {
  const computer = await freshComputer()
  const { allowed } = await sshSigner(computer.folder, 'ann')
  const signers = keep(computer, 'allowed_signers', allowed)
  await succeed('git', ['-C', computer.remote, 'config', 'uploadpack.allowFilter', 'true'])
  await succeed('git', ['-C', computer.remote, 'config', 'uploadpack.allowAnySHA1InWant', 'true'])
  rmSync(computer.checkout, { recursive: true })
  const partial = ['--filter=blob:none', `file://${computer.remote}`, computer.checkout]
  await computer.git('clone', '--quiet', ...partial)
  const git = await putGitOnSmallDisk(computer)
  writeFileSync(join(computer.folder, 'work/large'), randomBytes(120 * MIB))
  await computer.push(version('1.1.0'))
  const configure = (verify: string) =>
    computer.writeConfig(
      `deployment:\n  checkout: ${computer.checkout}\n  verify: ${verify}\n  allowed_signers: ${signers}\n`,
    )
  configure('signed-commit')
  const free = await freeBytes(git)
  expectFailure(await watchAndUpdate(computer), 1, ['not signed'])
  const lacking = await computer.gitInCheckout(
    'rev-list',
    '--objects',
    '--missing=print',
    '--no-walk',
    'refs/telec/kept/heads%2Fmain',
  )
  expect(lacking.match(/^\?/gm)).toHaveLength(2) // package.json, and what is large
  configure('none')
  const ended = await computer.telec('telec-update', ['--retry'])
  expectFailure(ended, 75, ['does not fit on the disk'])
  expect(await freeBytes(git)).toBeGreaterThan(free - MIB)
})
