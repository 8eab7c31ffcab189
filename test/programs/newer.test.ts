import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { DIST, execute, ROOT } from '../helpers/programs.ts'

/** What a registry answers to each request, and which there were; undefined: nothing, ever. */
interface Registry {
  readonly url: string
  readonly requests: string[]
  answer: { readonly status: number; readonly body: string } | undefined
}

async function registry(version: string): Promise<Registry> {
  const latest = {
    name: 'telec',
    'dist-tags': { latest: version },
    versions: { [version]: { name: 'telec', version } },
  }
  const requests: string[] = []
  const server = createServer(({ url = '' }, response) => {
    requests.push(url)
    if (one.answer === undefined) return
    response.writeHead(one.answer.status, { 'content-type': 'application/json' })
    response.end(one.answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const one: Registry = { url, requests, answer: { status: 200, body: JSON.stringify(latest) } }
  return one
}

const OWN = `${(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version} (`
const NEWER = '99.0.0 is available: npm install --global telec'

/** A computer whose npm asks this registry, with telec where npm installs it; `within` its folder. */
async function installed({ url }: Registry, within = 'prefix/lib') {
  const computer = await freshComputer()
  const folder = join(computer.folder, within, 'node_modules/telec')
  mkdirSync(folder, { recursive: true })
  cpSync(DIST, join(folder, 'dist'), { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
  const home = join(computer.folder, 'user')
  mkdirSync(home)
  writeFileSync(join(home, '.npmrc'), `registry=${url}\n`)
  const env = { ...computer.env, HOME: home }
  const run = async (program: string, ...args: string[]) => {
    const { code, stdout, stderr } = await execute(join(folder, 'dist', program), args, { cwd: home, env })
    expect({ stderr, isBug: code === null }).toEqual({ stderr: '', isBug: false })
    return stdout
  }
  return {
    computer,
    run,
    /** What doctor says of telec itself. */
    doctor: async () => /^ ?[✓✗] telec +(.*)$/m.exec(await run('telec', 'doctor'))?.[0] ?? '',
    status: async () => /^telec .*\n(?: .*\n)*/m.exec(await run('telec', 'status'))?.[0] ?? '',
  }
}

test('doctor asks the registry of npm for a newer telec; status says what it found, and asks nobody', async () => {
  const npm = await registry('99.0.0')
  const { doctor, status, run } = await installed(npm)
  expect(await status()).not.toContain('is available:')
  expect(npm.requests).toEqual([])

  expect(await doctor()).toMatch(/^✓ telec /)
  expect(await doctor()).toContain(`); ${NEWER}`)
  expect(npm.requests).toEqual(['/telec', '/telec'])
  expect(await status()).toContain(`\n           ${NEWER}\n`)
  expect(JSON.parse(await run('telec', 'status', '--json'))).toMatchObject({
    telec: { newer: { version: '99.0.0', command: 'npm install --global telec' } },
  })
  expect(npm.requests).toHaveLength(2)

  npm.answer = (await registry('0.0.1')).answer
  expect(await doctor()).not.toContain('is available:')
  expect(await status()).not.toContain('is available:')
})

test('with several services status says it once', async () => {
  const npm = await registry('99.0.0')
  const { computer, doctor, run } = await installed(npm)
  const other = join(computer.folder, 'other')
  await computer.git('clone', '--quiet', computer.remote, other)
  await computer.telec('telec', ['init', '--name', 'other', '--checkout', other])
  await doctor()
  expect((await run('telec', 'status')).split(NEWER)).toHaveLength(2)
})

test('a poll asks no registry', async () => {
  const npm = await registry('99.0.0')
  const { run } = await installed(npm)
  await run('telec-watch')
  expect(npm.requests).toEqual([])
})

describe('nothing is wrong where a registry gives no version:', () => {
  test.each<[string, Registry['answer']]>([
    ['it never answers', undefined],
    ['it does not know telec', { status: 404, body: '{"error":"not found"}' }],
    ['it wants a login', { status: 401, body: '{}' }],
    ['it is broken', { status: 500, body: 'oops' }],
    ['it answers with something else', { status: 200, body: '{"dist-tags":{"latest":"new; rm -rf"}}' }],
  ])('%s', async (_, answer) => {
    const npm = await registry('99.0.0')
    npm.answer = answer
    const { doctor, status } = await installed(npm)
    const line = await doctor()
    expect(line).toMatch(/^✓ telec /)
    expect(line).toContain(OWN)
    expect(line).not.toContain('is available:')
    expect(npm.requests).not.toEqual([])
    expect(await status()).not.toContain('is available:')
  })

  test('nobody listens', async () => {
    const { doctor } = await installed({ url: 'http://127.0.0.1:9/', requests: [], answer: undefined })
    expect(await doctor()).toContain(OWN)
  })
})

describe('nobody is asked about a telec', () => {
  test('that is part of the checkout', async () => {
    const npm = await registry('99.0.0')
    const { doctor } = await installed(npm, 'app')
    expect(await doctor()).toContain(OWN)
    expect(npm.requests).toEqual([])
  })

  test('that was copied', async () => {
    const npm = await registry('99.0.0')
    const computer = await freshComputer()
    const env = { npm_config_registry: npm.url }
    expect((await computer.telec('telec', ['doctor'], { env })).stdout).toContain(OWN)
    expect(npm.requests).toEqual([])
  })
})

test('a record does not outlive its telec, and an invalid file counts as none', async () => {
  const npm = await registry('99.0.0')
  const { computer, doctor, status } = await installed(npm)
  await doctor()
  const record = join(computer.folder, 'user/.cache/telec/newer.json')
  const text = readFileSync(record, 'utf8')
  for (const other of [
    text.replace(/ \d+\.\d+\.\d+"/, ' 0.0.9"'),
    text.replace('/node_modules', '/lib'),
    '{',
    '',
  ]) {
    expect(other).not.toBe(text)
    writeFileSync(record, other)
    expect(await status()).not.toContain('is available:')
  }
  writeFileSync(record, text)
  expect(await status()).toContain(NEWER)
})
