import { writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { computerOn, type ForgeServer, type Kind } from '../helpers/forges.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { computerOnGitHub, signalled, tag, watch } from '../helpers/on-github.ts'

const SECRET = 'glpat-aSecretOfThisTest'

/** A release as each of them lists it, in so far as telec could read of it. */
const release: Record<Kind, (name: string, isToCome?: boolean) => Record<string, unknown>> = {
  gitlab: (name, isToCome = false) => ({
    tag_name: name,
    name,
    released_at: '2026-01-03T01:56:19.539Z',
    upcoming_release: isToCome,
    commit: { id: 'ffff567890123456789012345678901234567890' },
  }),
  gitea: (name, isToCome = false) => ({
    id: 1,
    tag_name: name,
    target_commitish: 'main',
    draft: isToCome,
    prerelease: false,
    published_at: '2026-01-03T01:56:19Z',
  }),
}

const VARIABLES: Record<Kind, string> = { gitlab: 'GITLAB_TOKEN', gitea: 'GITEA_TOKEN' }

describe.each<Kind>(['gitlab', 'gitea'])('releases: %s', (kind) => {
  const listed = release[kind]

  test('takes published releases: nothing to come, no mere tag, and the commit that the remote names', async () => {
    const { computer, forge } = await computerOn(kind, [
      listed('v9.0.0'), // the remote has no such tag
      listed('v1.3.0', true),
      listed('v1.1.0'),
    ])
    const commit = await tag(computer, '1.1.0')
    for (const number of ['1.2.0', '1.3.0']) await tag(computer, number)
    const ended = await watch(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    expect(computer.state('update_signal.json')).toMatchObject({ target: { version: '1.1.0', commit } })
    const { stdout } = await computer.telec('telec', ['doctor', '--json'])
    expect(forge.asked).toMatchObject([{ status: 200 }, { status: 200 }])
    expect(JSON.parse(stdout)).toContainEqual(expect.objectContaining({ check: 'remote', ok: true }))
    expect((await computer.telec('telec-update')).code).toBe(42)
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
  })

  test('reads the list page by page', async () => {
    const many = Array.from({ length: 120 }, (_, index) => listed(`v0.0.${index}`))
    const { computer, forge } = await computerOn(kind, [...many, listed('v1.1.0')])
    await tag(computer, '1.1.0')
    await watch(computer)
    expect(signalled(computer)).toBe('1.1.0')
    expect(forge.asked).toHaveLength(kind === 'gitlab' ? 2 : 3)
  })

  test('sends its token as that server wants it, and shows it nowhere', async () => {
    const { computer, forge } = await computerOn(kind, [listed('v1.1.0')])
    await tag(computer, '1.1.0')
    forge.token = SECRET
    expectFailure(await watch(computer, [], { GITHUB_TOKEN: SECRET }), 78, [
      'shows no releases of',
      VARIABLES[kind],
    ])
    const env = { [VARIABLES[kind]]: SECRET }
    const good = await watch(computer, ['--explain'], { TELEC_DEBUG: '1', ...env })
    expect(good, good.stderr).toMatchObject({ code: 0 })
    expect(forge.asked.map(({ token }) => token)).toEqual([undefined, SECRET])
    expect(signalled(computer)).toBe('1.1.0')
    forge.token = 'another'
    const refused = await watch(computer, [], env)
    expectFailure(refused, 78, [`refuses the token of ${VARIABLES[kind]}`])
    expect(good.stdout + good.stderr + refused.stderr).not.toContain(SECRET)
  })
})

test('a prerelease of Gitea is taken where prereleases are asked for, and not else', async () => {
  const { computer } = await computerOn('gitea', [{ ...release.gitea('v1.1.0'), prerelease: true }])
  await tag(computer, '1.1.0')
  await watch(computer)
  expect(signalled(computer)).toBeNull()
})

test('GitLab asks to be left alone by retry-after, and is', async () => {
  const { computer, forge } = await computerOn('gitlab', [release.gitlab('v1.1.0')])
  forge.instead = (_, response) =>
    response.writeHead(429, { 'retry-after': '60', 'ratelimit-remaining': '0' }).end('Retry later')
  expectFailure(await watch(computer), 75, ["GitLab's rate limit is used up", 'GITLAB_TOKEN'])
  expectFailure(await watch(computer), 75, ['rate limit'])
  expect(forge.asked).toHaveLength(1)
})

test('a remote whose host cannot be one is a wrong configuration', async () => {
  const computer = await freshComputer()
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  channel: beta\n  releases: github\n`)
  for (const url of ['ssh://git@gith]ub.com/ann/web.git', 'git@exa mple.com:ann/web.git']) {
    await computer.gitInCheckout('remote', 'set-url', 'origin', url)
    const ssh = join(computer.folder, 'ssh')
    writeFileSync(ssh, `#!/bin/sh\nexec git-upload-pack ${computer.remote}\n`, { mode: 0o755 })
    expectFailure(await watch(computer, [], { GIT_SSH_COMMAND: ssh }), 78, ['origin', 'an invalid host'])
  }
})

describe('an answer that is no list is an error, and never "no releases":', () => {
  type Answer = (request: IncomingMessage, response: ServerResponse) => void
  const servers: Record<
    string,
    () => Promise<{ computer: Parameters<typeof watch>[0]; forge: Pick<ForgeServer, 'instead'> }>
  > = {
    github: async () => {
      const { computer, github } = await computerOnGitHub([])
      return { computer, forge: github }
    },
    gitlab: () => computerOn('gitlab', []),
    gitea: () => computerOn('gitea', []),
  }
  const answers: [string, Answer, string][] = [
    ['an empty one', (_, response) => response.end(), 'did not answer with a list'],
    ['one without content (204)', (_, response) => response.writeHead(204).end(), 'answered 204'],
    ['a part of one (206)', (_, response) => response.writeHead(206).end('[]'), 'answered 206'],
    ['null', (_, response) => response.end('null'), 'did not answer with a list'],
    ['an object', (_, response) => response.end('{"message": "hi"}'), 'did not answer with a list'],
    ['half a list', (_, response) => response.end('[{"tag_name": "v1.1.0"'), 'did not answer with a list'],
    [
      'a list of millions',
      (_, response) => response.end(`[${'1,'.repeat(15_000_000)}1]`),
      'did not answer with a list',
    ],
    [
      'a list in lists without end',
      (_, response) => response.end('['.repeat(30_000_000)),
      'did not answer with a list',
    ],
    ['a page to log in', (_, response) => response.end('<html>'), 'did not answer with a list'],
    ['"not modified" of nothing', (_, response) => response.writeHead(304).end(), 'answered 304'],
    [
      'another protocol (101)',
      ({ socket }) =>
        socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
      'another protocol (101)',
    ],
    [
      'another protocol (101) that says no more',
      ({ socket }) => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
      'answered 101',
    ],
    ['nothing at all', ({ socket }) => socket.end(), 'out of reach'],
    ['no HTTP', ({ socket }) => socket.end('SSH-2.0-OpenSSH_9.9\r\n'), 'out of reach'],
  ]
  const cases = Object.keys(servers).flatMap((kind) => answers.map((one) => [kind, ...one] as const))

  test.each(cases)('%s: %s', async (kind, _, instead, words) => {
    const { computer, forge } = (await servers[kind]?.()) ?? expect.unreachable()
    await tag(computer, '1.1.0')
    forge.instead = instead
    expectFailure(await watch(computer), 75, [words])
    expect(signalled(computer)).toBeNull()
    expect(computer.state('watch_state.json')).toMatchObject({ outcome: null, failures: 1 })
  })
})
