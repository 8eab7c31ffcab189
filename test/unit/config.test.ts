import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/config/parse.ts'
import { TelecError } from '../../src/system/errors.ts'
import type { World } from '../../src/system/world.ts'
import { pureWorld } from '../helpers/world.ts'

const PATH = '/home/ann/.teleclaude/config.yml'
const LEAST = 'deployment:\n  checkout: /srv/web\n'

function load(text: string, world: Partial<World> = {}) {
  return parseConfig(pureWorld(world), PATH, text)
}

function fault(text: string): TelecError {
  try {
    load(text)
  } catch (error) {
    if (error instanceof TelecError) return error
    throw error
  }
  throw new Error('this configuration was accepted')
}

describe('the defaults', () => {
  test('of everything but the checkout are there', () => {
    expect(load(LEAST)).toEqual({
      computer: 'studio',
      deployment: {
        channel: 'alpha',
        checkout: '/srv/web',
        remote: 'origin',
        mirrors: [],
        branch: 'main',
        releases: 'tags',
        verify: 'none',
        verify_commits: 'all',
        prereleases: false,
        submodules: false,
        migrations: 'migrations',
        python: 'python3',
        install_timeout: 30 * 60_000,
        path: [],
        poll_every: 60_000,
        poll_timeout: 45_000,
        fetch_timeout: 15 * 60_000,
        min_age: 0,
        window: [],
      },
    })
  })

  test('of a service are there', () => {
    expect(load(`${LEAST}service:\n  name: web.service\n`).service).toEqual({
      names: ['web.service'],
      scope: 'user',
      restart: 'exit-42',
      environment: false,
      health_timeout: 60_000,
      healthy_after: 5_000,
      stop_timeout: 90_000,
    })
  })

  test.each([
    ['studio', 'studio'],
    ["Ann's MacBook", 'Ann-s-MacBook'],
    ['-odd-', 'odd-'],
    ['büro', 'b-ro'],
    ['日本', 'computer'],
    ['', 'computer'],
    ['x'.repeat(80), 'x'.repeat(64)],
  ])('the host name %j makes the computer %j', (hostname, computer) => {
    expect(load(LEAST, { hostname }).computer).toBe(computer)
  })
})

describe('what a user may write', () => {
  test('~/ is the home folder', () => {
    expect(load('deployment:\n  checkout: ~/apps/web\n').deployment.checkout).toBe('/home/ann/apps/web')
  })

  test('~ in the middle of a path is part of a name', () => {
    expect(load('deployment:\n  checkout: /srv/~/web\n').deployment.checkout).toBe('/srv/~/web')
  })

  test('times have units', () => {
    const config = load(
      `${LEAST}  poll_every: 5s\n  install_timeout: 2h\nservice:\n  name: web.service\n  healthy_after: 0s\n`,
    )
    expect(config.deployment.poll_every).toBe(5_000)
    expect(config.deployment.install_timeout).toBe(7_200_000)
    expect(config.service?.healthy_after).toBe(0)
  })

  test('a stable computer has its minor version', () => {
    const { deployment } = load(`${LEAST}  channel: stable\n  pinned_minor: "1.10"\n`)
    expect(deployment).toMatchObject({ channel: 'stable', pinned_minor: '1.10' })
  })

  test('comments, and a URL as the remote', () => {
    const text = `# mine\n${LEAST}  remote: https://example.org/web.git # not origin\n`
    expect(load(text).deployment.remote).toBe('https://example.org/web.git')
  })
})

describe('each fault is named with its line, its key, what it got and what it takes', () => {
  test.each<[string, string, number, string[]]>([
    [
      'an unknown key',
      `${LEAST}  chanel: beta\n`,
      3,
      ['deployment.chanel', 'no such key; did you mean deployment.channel?'],
    ],
    [
      'an unknown key at the top',
      `${LEAST}branch: main\n`,
      3,
      ['branch', 'no such key; did you mean deployment.branch?'],
    ],
    ['an unknown group', `${LEAST}\n\ntelemetry:\n  on: true\n`, 5, ['telemetry', 'no such key']],
    [
      'an unknown channel',
      `${LEAST}  channel: gamma\n`,
      3,
      ['deployment.channel', '"gamma"', 'alpha, beta or stable'],
    ],
    ['no checkout', 'deployment:\n  channel: beta\n', 1, ['deployment.checkout', 'missing']],
    ['no deployment', 'computer: studio\n', 1, ['deployment', 'missing']],
    ['an empty file', '', 1, ['deployment', 'missing']],
    ['nothing but comments', '# later\n', 1, ['deployment', 'missing']],
    ['a file that is a list', '- checkout\n', 1, ['keys and values']],
    ['a file that is one word', 'hello\n', 1, ['keys and values']],
    ['a group that is a word', 'deployment: /srv/web\n', 1, ['deployment', '"/srv/web"', 'group of keys']],
    ['a group that is empty', 'computer: x\ndeployment:\n', 2, ['deployment', 'null', 'group of keys']],
    [
      'a relative checkout',
      'deployment:\n  checkout: apps/web\n',
      2,
      ['deployment.checkout', '"apps/web"', 'absolute'],
    ],
    ['a checkout that is empty', 'deployment:\n  checkout: ""\n', 2, ['deployment.checkout', '""']],
    ['a checkout that is a number', 'deployment:\n  checkout: 42\n', 2, ['deployment.checkout', '42']],
    [
      'a minor version without quotes',
      `${LEAST}  channel: stable\n  pinned_minor: 1.10\n`,
      4,
      ['deployment.pinned_minor', '1.1', 'in quotes: "1.4"'],
    ],
    [
      'a minor version with a patch',
      `${LEAST}  channel: stable\n  pinned_minor: "1.4.2"\n`,
      4,
      ['deployment.pinned_minor', '"1.4.2"'],
    ],
    [
      'stable without its minor version',
      `${LEAST}  channel: stable\n`,
      1,
      ['deployment.pinned_minor: got nothing; takes', 'channel: stable'],
    ],
    [
      'a minor version that alpha has no use for',
      `${LEAST}  pinned_minor: "1.4"\n`,
      3,
      ['deployment.pinned_minor: got "1.4"; takes nothing', 'set channel: stable'],
    ],
    [
      'a kind of status that there is not',
      `${LEAST}on_status:\n  run: cat\n  on: [halted, finished]\n`,
      3,
      ['on_status', 'updating, migrating, installing, restarting, updated, halted'],
    ],
    [
      'no kind of status',
      `${LEAST}on_status:\n  run: cat\n  on: []\n`,
      5,
      ['on_status.on', 'a list of updating'],
    ],
    ['kinds of status without a command', `${LEAST}on_status:\n  on: [halted]\n`, 3, ['on_status', 'run:']],
    [
      'a time without a unit',
      `${LEAST}  poll_every: 60\n`,
      3,
      ['deployment.poll_every', '60', '90s, 5m or 2h'],
    ],
    [
      'a poll every second',
      `${LEAST}  poll_every: 1s\n`,
      3,
      ['deployment.poll_every', '"1s"', 'at least 5s'],
    ],
    [
      'a time that no timer holds',
      `${LEAST}  install_timeout: 25d\n`,
      3,
      ['deployment.install_timeout', '"25d"', 'at least 1s and at most 24d'],
    ],
    [
      'a time that no timer holds, in another unit',
      `${LEAST}service:\n  name: web\n  stop_timeout: 600h\n`,
      5,
      ['service.stop_timeout', '"600h"', 'at most 24d'],
    ],
    [
      'a poll every month',
      `${LEAST}  poll_every: 30d\n`,
      3,
      ['deployment.poll_every', '"30d"', 'at most 20d'],
    ],
    [
      'a yes for a true',
      `${LEAST}  prereleases: "yes"\n`,
      3,
      ['deployment.prereleases', '"yes"', 'true or false'],
    ],
    [
      'a branch that is an option of git',
      `${LEAST}  branch: --upload-pack=x\n`,
      3,
      ['deployment.branch', 'name of a branch'],
    ],
    ['a remote that is an option of git', `${LEAST}  remote: "-oProxyCommand=x"\n`, 3, ['deployment.remote']],
    ['an empty branch', `${LEAST}  branch: ""\n`, 3, ['deployment.branch', '""']],
    [
      'an install command that is a list',
      `${LEAST}  install: [make, install]\n`,
      3,
      ['deployment.install', 'a command line'],
    ],
    [
      'a service that is only a name',
      `${LEAST}service: web.service\n`,
      3,
      ['service', '"web.service"', 'group of keys'],
    ],
    [
      'a path instead of a unit',
      `${LEAST}service:\n  name: ../web.service\n`,
      4,
      ['service.name', '"../web.service"', 'the name of a systemd unit'],
    ],
    [
      'a template without an instance',
      `${LEAST}service:\n  name: web@.service\n`,
      4,
      ['service.name', '"web@.service"', 'an instance of this template, such as web@1.service'],
    ],
    [
      'one of several that is a template without an instance',
      `${LEAST}service:\n  name: [web.service, worker@.service]\n`,
      4,
      ['service.name.1', '"worker@.service"', 'an instance of this template, such as web@1.service'],
    ],
    ['a list of no units', `${LEAST}service:\n  name: []\n`, 4, ['service.name', 'a list of them']],
    [
      'an empty name among others',
      `${LEAST}service:\n  name: [web, ""]\n`,
      4,
      ['service.name.1', 'a systemd unit'],
    ],
    ['a number among units', `${LEAST}service:\n  name: [web, 1]\n`, 4, ['service.name', 'a systemd unit']],
    [
      'a list with one unit twice',
      `${LEAST}service:\n  name: [web.service, worker, web]\n`,
      4,
      ['service.name', 'a list', 'each once'],
    ],
    ['a template without an instance or a type', `${LEAST}service:\n  name: web@\n`, 4, ['web@1.service']],
    ['a service without a name', `${LEAST}service:\n  scope: user\n`, 3, ['service.name', 'missing']],
    [
      'an unknown way to restart',
      `${LEAST}service:\n  name: web\n  restart: always\n`,
      5,
      ['service.restart', '"always"', 'exit-42, manager or none'],
    ],
    [
      'a computer with a blank in its name',
      `computer: my mac\n${LEAST}`,
      1,
      ['computer', '"my mac"', 'letters, digits'],
    ],
    ['a key that is there twice', `${LEAST}  checkout: /srv/other\n`, 3, ['unique']],
    ['a tab for an indent', 'deployment:\n\tcheckout: /srv/web\n', 2, []],
    ['a quote that does not end', 'deployment:\n  checkout: "/srv/web\n', 3, ['quote']],
    ['an alias to nothing', 'deployment:\n  checkout: *here\n', 2, ['no such alias']],
    ['two documents in one file', `${LEAST}---\n${LEAST}`, 3, []],
  ])('%s', (_, text, line, parts) => {
    const { kind, message, because = '', hint } = fault(text)
    expect(kind).toBe('config')
    expect(message).toContain(`${PATH}:${line}: `)
    expect(because).toContain(`line ${line}: `)
    for (const part of parts) expect(because).toContain(part)
    expect(hint).toContain(PATH)
  })

  test('all of it at once', () => {
    const { because } = fault(`computer: my mac\n${LEAST}  channel: gamma\n  chanel: beta\n`)
    expect(because?.split('\n').map((line) => line.split(': ').slice(0, 2).join(': '))).toEqual(
      expect.arrayContaining(['line 1: computer', 'line 4: deployment.channel', 'line 5: deployment.chanel']),
    )
  })

  test('a file with two documents, aliases that explode or a loop of aliases does not hang or crash', () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x,x]
b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]
c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]
d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]
e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]
`
    expect(fault(bomb).kind).toBe('config')
    expect(fault('deployment: &loop\n  checkout: *loop\n').kind).toBe('config')
  })
})

describe('the units of a service', () => {
  const unit = fc.stringMatching(/^[a-z][\w.]{0,9}(@[a-z0-9]{1,4})?(\.(service|target))?$/)
  const plain = (name: string) => name.replace(/\.service$/, '')
  const namesOf = (name: unknown) => load(`${LEAST}service: ${JSON.stringify({ name })}\n`).service?.names

  test('are a list of one where it is a text', () => {
    fc.assert(
      fc.property(unit, (name) => {
        expect(namesOf(name)).toEqual([name])
      }),
    )
  })

  test('stay in the order of the file, with any content', () => {
    const units = fc.uniqueArray(unit, { minLength: 1, selector: plain })
    fc.assert(
      fc.property(units, (names) => {
        expect(namesOf(names)).toEqual(names)
      }),
    )
  })

  test('are refused where one is there twice, with its type or without', () => {
    const doubled = fc
      .tuple(fc.uniqueArray(unit, { minLength: 1, selector: plain }), fc.nat(), fc.nat(), fc.boolean())
      .map(([names, from, to, isTyped]) => {
        const name = plain(names[from % names.length] ?? '')
        return names.toSpliced(to % (names.length + 1), 0, isTyped ? `${name}.service` : name)
      })
    fc.assert(
      fc.property(doubled, (names) => {
        const { because } = fault(`${LEAST}service: ${JSON.stringify({ name: names })}\n`)
        expect(because).toMatch(/^line 3: service\.name: got a list; takes .*each once$/)
      }),
    )
  })
})
