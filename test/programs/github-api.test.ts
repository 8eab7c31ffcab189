import { existsSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type GitHub, serveGitHub } from '../helpers/github.ts'
import { expectFailure } from '../helpers/messages.ts'
import { computerOnGitHub, configure, signalled, tag, watch } from '../helpers/on-github.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const SECRET = 'ghp_aSecretOfThisTest'
const TOKEN = { GITHUB_TOKEN: SECRET }

/** As GitHub answers for a repository that was renamed: the list is at its id. */
function movedTo(url: string): Answer {
  return (_, response) => response.writeHead(301, { location: url }).end('{"message":"Moved Permanently"}')
}

const listed = (release: Record<string, unknown> = {}) => ({
  tag_name: 'v1.1.0',
  draft: false,
  prerelease: false,
  ...release,
})

describe('a list that has moved', () => {
  test('is followed on the same server, as that of a repository that was renamed', async () => {
    const { computer, github } = await computerOnGitHub([])
    await tag(computer, '1.1.0')
    github.instead = (request, response) =>
      request.url?.startsWith('/repositories/7/')
        ? response.end(JSON.stringify([listed()]))
        : movedTo('/repositories/7/releases?per_page=100')(request, response)
    const ended = await watch(computer, [], TOKEN)
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    expect(github.asked.map(({ authorization }) => authorization)).toEqual(Array(2).fill(`Bearer ${SECRET}`))
    expect(signalled(computer)).toBe('1.1.0')
  })

  test('is not followed to another server, which never sees the token', async () => {
    const { computer, github } = await computerOnGitHub([])
    await tag(computer, '1.1.0')
    const other = await serveGitHub([{ tag_name: 'v1.1.0' }])
    github.instead = movedTo(`${other.url}/repos/ann/web/releases`)
    expectFailure(await watch(computer, [], TOKEN), 75, ['answered 301'])
    expect(other.asked).toEqual([])
    expect(signalled(computer)).toBeNull()
  })

  test('is given up where it moves on without an end', async () => {
    const { computer, github } = await computerOnGitHub([])
    github.instead = movedTo('/repositories/7/releases')
    expectFailure(await watch(computer), 75, ['answered 301'])
    expect(github.asked.length).toBeLessThan(10)
  })
})

describe('a rate limit', () => {
  const refuse =
    (status: number, headers: Record<string, string>, message: string): Answer =>
    (_, response) =>
      response.writeHead(status, headers).end(JSON.stringify({ message }))
  const secondary = 'You have exceeded a secondary rate limit.'
  const seconds = (at: number) => String(Math.ceil(at / 1000))
  const twoHoursAgo = Date.now() - 2 * 60 * 60_000

  // docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api: otherwise, at least one minute.
  test.each<[string, Answer, number]>([
    ['that says no time is one of a minute (429)', refuse(429, {}, 'Too many requests'), 60],
    ['that says no time is one of a minute (403)', refuse(403, {}, secondary), 60],
    [
      'ends by the clock of the server, not by ours',
      refuse(
        403,
        {
          date: new Date(twoHoursAgo).toUTCString(),
          'x-ratelimit-remaining': '0',
          'x-ratelimit-reset': seconds(twoHoursAgo + 600_000),
        },
        'API rate limit exceeded',
      ),
      600,
    ],
  ])('%s', async (_, instead, wanted) => {
    const { computer, github } = await computerOnGitHub([{ tag_name: 'v1.1.0' }])
    github.instead = instead
    const before = Date.now()
    expectFailure(await watch(computer), 75, ['rate limit'])
    const { wait } = computer.state('releases.json') as { wait: { until: string } }
    const waitSeconds = (Date.parse(wait.until) - before) / 1000
    expect(waitSeconds).toBeGreaterThan(wanted - 5)
    expect(waitSeconds).toBeLessThan(wanted + 30)
    expectFailure(await watch(computer), 75, ['rate limit'])
    expect(github.asked).toHaveLength(1)
  })

  test('is that of who asked: with a token it is asked at once', async () => {
    const { computer, github } = await computerOnGitHub([{ tag_name: 'v1.1.0' }])
    await tag(computer, '1.1.0')
    github.token = SECRET
    github.instead = refuse(403, { 'retry-after': '3000' }, 'API rate limit exceeded')
    expectFailure(await watch(computer), 75, ['set a token, which has a higher limit'])
    github.instead = null
    expect(await watch(computer, [], TOKEN)).toMatchObject({ code: 0 })
    expect(signalled(computer)).toBe('1.1.0')
  })
})

describe('a list of many words', () => {
  test('is read: a hundred releases of a hundred files each', async () => {
    const { computer, github } = await computerOnGitHub([])
    await tag(computer, '1.1.0')
    const assets = Array.from({ length: 100 }, (_, id) => ({ id, uploader: 'x'.repeat(1_800) }))
    const list = Array.from({ length: 100 }, (_, patch) =>
      listed({ tag_name: patch === 99 ? 'v1.1.0' : `v0.0.${patch}`, assets }),
    )
    github.instead = (_, response) => response.end(JSON.stringify(list))
    const ended = await watch(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    expect(signalled(computer)).toBe('1.1.0')
  })

  test.each([
    [
      'thousands of releases',
      JSON.stringify(Array.from({ length: 2_000 }, () => listed({ tag_name: 'v1.1.0' }))),
    ],
    ['lists in lists', `${'['.repeat(2_000_000)}${']'.repeat(2_000_000)}`],
    ['a name of megabytes', JSON.stringify([listed({ tag_name: `v1.1.0-${'a'.repeat(1_000_000)}` })])],
  ])('that nobody asked for is none, and nothing of it is kept: %s', async (_, body) => {
    const { computer, github } = await computerOnGitHub([])
    await tag(computer, '1.1.0')
    const link = '<http://127.0.0.1/?page=2>; rel="next"'
    github.instead = (_request, response) => response.writeHead(200, { link }).end(body)
    expectFailure(await watch(computer), 75, ['did not answer with a list of releases'])
    expect(existsSync(join(computer.home, 'releases.json'))).toBe(false)
  })
})

describe('deployment.poll_timeout is for the whole list:', () => {
  const next = '<http://127.0.0.1/?page=2>; rel="next"'
  test.each<[string, NonNullable<GitHub['instead']>]>([
    ['a server that says nothing is given up', () => undefined],
    [
      'so is one that trickles',
      (_, response) => {
        const timer = setInterval(() => response.write(' '), 50)
        response.on('close', () => clearInterval(timer))
      },
    ],
    [
      'so is one that takes its time for each of many pages',
      (_, response) => {
        setTimeout(() => response.writeHead(200, { link: next }).end('[]'), 400)
      },
    ],
  ])('%s', async (_, instead) => {
    const { computer, github } = await computerOnGitHub([])
    configure(computer, github, '  poll_timeout: 1s\n')
    github.instead = instead
    expectFailure(await watch(computer), 75, ['no whole answer within 1 s'])
  })
})

describe('the remote', () => {
  test('may be a URL that the configuration of git replaces', async () => {
    const { computer, github } = await computerOnGitHub([{ tag_name: 'v1.1.0' }])
    await tag(computer, '1.1.0')
    const served = await computer.gitInCheckout('remote', 'get-url', 'origin')
    await computer.gitInCheckout('config', `url.${served}.insteadOf`, 'work:web')
    configure(computer, github, '  remote: work:web\n')
    const ended = await watch(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    expect(signalled(computer)).toBe('1.1.0')
  })

  test('is named without the password that may be in its URL', async () => {
    const { computer, github } = await computerOnGitHub([])
    const url = `https://ann:${SECRET}@example.org/web`
    await computer.gitInCheckout('config', `url.${computer.remote}.insteadOf`, url)
    configure(computer, github, `  remote: ${url}\n`)
    const ended = await watch(computer)
    expectFailure(ended, 78, ['is no repository on GitHub'])
    expect(ended.stderr).not.toContain(SECRET)
  })
})

test('a token that is no longer taken is in telec status', async () => {
  const { computer, github } = await computerOnGitHub([{ tag_name: 'v1.1.0' }])
  github.token = SECRET
  expect(await watch(computer, [], TOKEN)).toMatchObject({ code: 0 })
  github.token = 'another'
  expectFailure(await watch(computer, [], TOKEN), 78, ['refuses the token of GITHUB_TOKEN'])
  const { stdout } = await computer.telec('telec', ['status'])
  expect(stdout).toContain('refuses the token of GITHUB_TOKEN')
  expect(stdout).not.toContain(SECRET)
})
