import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Computer } from '../helpers/computer.ts'
import type { GitHub } from '../helpers/github.ts'
import { expectFailure } from '../helpers/messages.ts'
import { computerOnGitHub, configure, LOGGED_OUT, signalled, tag, watch } from '../helpers/on-github.ts'
import { readTree } from '../helpers/tree.ts'

const SECRET = 'ghp_aSecretOfThisTest'

describe('releases: github', () => {
  test('takes published releases: no draft, no mere tag, and the commit that the remote names', async () => {
    const { computer } = await computerOnGitHub([
      { tag_name: 'v1.4.0', draft: true },
      { tag_name: 'v1.3.0', prerelease: true },
      { tag_name: 'v1.1.0' },
      { tag_name: 'v9.0.0' }, // GitHub lists it, the remote has no such tag
    ])
    const commit = await tag(computer, '1.1.0')
    for (const number of ['1.2.0', '1.3.0', '1.4.0']) await tag(computer, number)
    const ended = await watch(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    expect(computer.state('update_signal.json')).toMatchObject({ target: { version: '1.1.0', commit } })
    expect((await computer.telec('telec-update', [], { env: LOGGED_OUT })).code).toBe(42)
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
  })

  test('takes a prerelease where prereleases are asked for', async () => {
    const { computer } = await computerOnGitHub(
      [{ tag_name: 'v1.3.0', prerelease: true }],
      '  prereleases: true\n',
    )
    await tag(computer, '1.3.0')
    await watch(computer)
    expect(signalled(computer)).toBe('1.3.0')
  })

  test('asks for a list that is unchanged by its ETag, page by page', async () => {
    const many = Array.from({ length: 250 }, (_, index) => ({ tag_name: `v0.0.${index}` }))
    const { computer, github } = await computerOnGitHub([...many, { tag_name: 'v1.1.0' }])
    await tag(computer, '1.1.0')
    await watch(computer)
    expect(github.asked.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(github.asked.map(({ path }) => path.replace(/.*releases/, ''))).toEqual([
      '?per_page=100',
      '?per_page=100&page=2',
      '?per_page=100&page=3',
    ])
    expect(signalled(computer)).toBe('1.1.0')
    github.asked.length = 0
    await watch(computer)
    expect(github.asked.map(({ status }) => status)).toEqual([304, 304, 304])
    github.releases = [{ tag_name: 'v1.2.0' }, ...github.releases]
    await tag(computer, '1.2.0')
    await watch(computer)
    expect(signalled(computer)).toBe('1.2.0')
  })

  test('a cache that cannot be understood is as good as none', async () => {
    const { computer, github } = await computerOnGitHub([{ tag_name: 'v1.1.0' }])
    await tag(computer, '1.1.0')
    for (const text of ['', '{', '[]', '{"url": 1}']) {
      computer.writeState('releases.json', text)
      expect((await watch(computer)).code).toBe(0)
    }
    expect(github.asked.map(({ status }) => status)).toEqual([200, 200, 200, 200])
  })
})

describe('where GitHub cannot say, nothing is guessed:', () => {
  test.each<[string, NonNullable<GitHub['instead']>, string[]]>([
    ['it is down', (_, response) => response.writeHead(502).end('bad gateway'), ['answered 502']],
    ['it answers something else', (_, response) => response.end('<html>'), ['did not answer with a list']],
    [
      'it answers another shape',
      (_, response) => response.end('[{"tag_name": 1}]'),
      ['did not answer with a list'],
    ],
    ['it hangs up', (_, response) => response.destroy(), ['out of reach']],
    [
      'it never ends',
      (_, response) => {
        const more = () => {
          while (response.write('x'.repeat(65_536)));
          response.once('drain', more)
        }
        more()
      },
      ['longer than'],
    ],
    [
      'it sends elsewhere',
      (_, response) => response.writeHead(301, { location: 'http://127.0.0.1:9/' }).end(),
      ['answered 301'],
    ],
  ])('%s', async (_, instead, parts) => {
    const { computer, github } = await computerOnGitHub([{ tag_name: 'v1.1.0' }])
    await tag(computer, '1.1.0')
    github.instead = instead
    expectFailure(await watch(computer), 75, parts)
    expect(signalled(computer)).toBeNull()
    github.instead = null
    expect((await watch(computer)).code).toBe(0)
    expect(signalled(computer)).toBe('1.1.0')
  })

  test.each<[string, Record<string, string>, number]>([
    ['a rate limit that is used up', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': 'RESET' }, 403],
    ['a secondary one', { 'retry-after': '120' }, 429],
  ])('%s: GitHub is left alone until then', async (_, headers, status) => {
    const { computer, github } = await computerOnGitHub([{ tag_name: 'v1.1.0' }])
    await tag(computer, '1.1.0')
    const reset = String(Math.ceil(Date.now() / 1000) + 600)
    const filled = Object.entries(headers).map(([name, text]) => [name, text.replace('RESET', reset)])
    github.instead = (_, response) => response.writeHead(status, Object.fromEntries(filled)).end('{}')
    expectFailure(await watch(computer), 75, ['rate limit', 'used up until'])
    github.instead = null
    expectFailure(await watch(computer), 75, ['rate limit'])
    expect(github.asked).toHaveLength(1)
    const waited = {
      ...computer.state('releases.json'),
      wait: { until: new Date(Date.now() - 1_000).toISOString(), token: null },
    }
    computer.writeState('releases.json', JSON.stringify(waited))
    expect((await watch(computer)).code).toBe(0)
    expect(signalled(computer)).toBe('1.1.0')
  })
})

describe('the token', () => {
  const sources: [string, (computer: Computer) => NodeJS.ProcessEnv][] = [
    ['of the environment', () => ({ GITHUB_TOKEN: SECRET })],
    [
      'of a file',
      (computer) => {
        writeFileSync(join(computer.folder, 'token'), `${SECRET}\n`, { mode: 0o600 })
        return {}
      },
    ],
    [
      'of gh',
      (computer) => {
        const bin = join(computer.folder, 'bin')
        mkdirSync(bin)
        const script = `#!/bin/sh\n[ "$*" = 'auth token --hostname 127.0.0.1' ] && echo ${SECRET}\n`
        writeFileSync(join(bin, 'gh'), script, { mode: 0o755 })
        return { PATH: `${bin}:${process.env.PATH}` }
      },
    ],
  ]

  test.each(sources)('%s is sent to the API, and is in no file and no message', async (source, prepare) => {
    const { computer, github } = await computerOnGitHub([{ tag_name: 'v1.1.0' }])
    github.token = SECRET
    const env = prepare(computer)
    if (source === 'of a file')
      configure(computer, github, `  token_file: ${join(computer.folder, 'token')}\n`)
    await tag(computer, '1.1.0')
    const good = await watch(computer, ['--explain'], { TELEC_DEBUG: '1', ...env })
    expect(good, good.stderr).toMatchObject({ code: 0 })
    expect(github.asked.at(-1)).toMatchObject({ authorization: `Bearer ${SECRET}`, status: 200 })
    github.token = 'another'
    const bad = await watch(computer, [], { TELEC_DEBUG: '1', ...env })
    expectFailure(bad, 78, ['refuses the token of'])
    const seen = [good, bad].flatMap(({ stdout, stderr }) => [stdout, stderr])
    expect([...seen, ...Object.values(readTree(computer.home))].join()).not.toContain(SECRET)
  })

  test.each<[string, string, number, string[]]>([
    ['that others may read', SECRET, 0o644, ['others may read', 'chmod 600']],
    ['that is empty', '', 0o600, ['holds no token']],
    ['with something that is none', 'two\nlines', 0o600, ['invalid characters']],
  ])('file %s is refused, and the token is not shown', async (_, text, mode, parts) => {
    const { computer, github } = await computerOnGitHub([])
    const file = join(computer.folder, 'token')
    writeFileSync(file, text)
    chmodSync(file, mode)
    configure(computer, github, `  token_file: ${file}\n`)
    const ended = await watch(computer)
    expectFailure(ended, 78, parts)
    expect(ended.stderr).not.toContain(SECRET)
    expect(github.asked).toEqual([])
  })

  test('that is missing for a private repository is asked for', async () => {
    const { computer, github } = await computerOnGitHub([])
    github.token = SECRET
    expectFailure(await watch(computer), 78, [
      'shows no releases of ann/web',
      'answered 404, with no token',
      'token_file',
    ])
  })
})

test('a remote that is nowhere near GitHub is a wrong configuration', async () => {
  const { computer } = await computerOnGitHub([])
  await computer.gitInCheckout('remote', 'set-url', 'origin', computer.remote)
  expectFailure(await watch(computer), 78, ['deployment.releases: github', 'is no repository on GitHub'])
})
