import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'
import { watchAndUpdate } from '../helpers/update.ts'

const UPDATING = 'deployment:{fleet}:updating'

async function member(url: string, name: string, fleet: string, install = 'test -e .'): Promise<Computer> {
  const computer = await freshComputer()
  computer.writeConfig(
    `computer: ${name}\ndeployment:\n  checkout: ${computer.checkout}\n  install: ${install}\nredis:\n  url: ${url}\nfleet: ${fleet}\n`,
  )
  // Two commits of one second and one content would be one, and what halted the first would hold the second.
  await computer.push({ ...version('1.1.0'), 'member.txt': `${name}\n` })
  await computer.telec('telec-watch')
  return computer
}

const deployed = (computer: Computer) =>
  (computer.state('update_state.json') as { deployed: { version: string } }).deployed.version

describe('fleet.max_updating', () => {
  test('is never exceeded, and everybody gets a turn', async () => {
    const redis = await startRedis()
    const shared = (await freshComputer({ init: false })).folder
    const install = `"echo + >>${shared}/log; until test -e ${shared}/go-on; do sleep 0.05; done; echo - >>${shared}/log"`
    const names = ['a', 'b', 'c', 'd', 'e']
    const fleet = await Promise.all(
      names.map((name) => member(redis.url, name, '{ max_updating: 2 }', install)),
    )
    const client = redis.client()
    const updating = Promise.all(fleet.map((computer) => computer.telec('telec-update')))
    const signs = () => readFileSync(join(shared, 'log'), 'utf8').trim().split('\n')
    await until(
      'two to install, and the others to wait',
      async () => (await client.zcard('deployment:{fleet}:waiting')) === 3 && signs().length === 2,
    )
    writeFileSync(join(shared, 'go-on'), '')
    expect((await updating).map(({ code }) => code)).toEqual([42, 42, 42, 42, 42])
    let [now, most] = [0, 0]
    for (const sign of signs()) {
      now += sign === '+' ? 1 : -1
      most = Math.max(most, now)
    }
    expect({ now, most }).toEqual({ now: 0, most: 2 })
    for (const key of [UPDATING, 'deployment:{fleet}:waiting', 'deployment:{fleet}:alive'])
      expect(await client.exists(key)).toBe(0)
  })

  test('a computer that disappeared frees its slot when its lease ends, and not before', async () => {
    const redis = await startRedis()
    const client = redis.client()
    const computer = await member(redis.url, 'studio', '{ max_updating: 1 }')
    const nowS = Math.floor(Date.now() / 1000)
    await client.zadd(UPDATING, String(nowS + 5), 'gone')
    const updating = computer.telec('telec-update')
    await until(
      'it to wait',
      async () => (await client.zscore('deployment:{fleet}:waiting', 'studio')) !== null,
    )
    expect(await client.zrange(UPDATING, '0', '-1')).toEqual(['gone'])
    expect((await updating).code).toBe(42)
    expect(deployed(computer)).toBe('1.1.0')
  })

  test('a lease of a server whose clock was turned back since holds nobody', async () => {
    const redis = await startRedis()
    const client = redis.client()
    const inAYear = String(Math.floor(Date.now() / 1000) + 365 * 24 * 3_600)
    await client.zadd(UPDATING, inAYear, 'gone')
    await client.zadd('deployment:{fleet}:waiting', '1', 'gone, too')
    await client.zadd('deployment:{fleet}:alive', inAYear, 'gone, too')
    const computer = await member(redis.url, 'studio', '{ max_updating: 1 }')
    expect((await computer.telec('telec-update')).code).toBe(42)
  })

  test('--now takes no notice of the others', async () => {
    const redis = await startRedis()
    await redis.client().zadd(UPDATING, String(Math.floor(Date.now() / 1000) + 50), 'other')
    const computer = await member(redis.url, 'studio', '{ max_updating: 1 }')
    expect((await computer.telec('telec-update', ['--now'])).code).toBe(42)
  })

  test('an update that halts lets the next one in', async () => {
    const redis = await startRedis()
    const computer = await member(redis.url, 'studio', '{ max_updating: 1 }', 'exit 1')
    expectFailure(await computer.telec('telec-update'), 1, ['the install command failed with exit code 1'])
    expect(await redis.client().exists(UPDATING)).toBe(0)
  })
})

test('a pin takes what others halted at, and waits for its turn all the same', async () => {
  const redis = await startRedis()
  const client = redis.client()
  const computer = await member(redis.url, 'studio', '{ max_updating: 1, hold_after_failures: 1 }')
  const { target } = computer.state('update_signal.json') as { target: { commit: string } }
  await client.sadd(`deployment:halted:${target.commit}`, 'attic')
  expectFailure(await computer.telec('telec-update'), 75, ['held: 1 computer halted'])
  expect((await computer.telec('telec', ['pin', target.commit])).code).toBe(0)
  await client.zadd(UPDATING, String(Math.floor(Date.now() / 1000) + 5), 'gone')
  const updating = computer.telec('telec-update')
  await until(
    'it to wait',
    async () => (await client.zscore('deployment:{fleet}:waiting', 'studio')) !== null,
  )
  expect((await updating).code).toBe(42)
  await computer.telec('telec-watch')
  const { stdout } = await computer.telec('telec', ['status', '--fleet'])
  expect(stdout).toMatch(/^studio +alpha \(pinned\) +1\.1\.0 /m)
})

describe('fleet.hold_after_failures', () => {
  const halted = async (redis: RedisServer, commit: string, ...names: string[]) =>
    redis.client().sadd(`deployment:halted:${commit}`, ...names)

  test('holds a version at which others halted, says so, and takes the next one', async () => {
    const redis = await startRedis()
    const computer = await member(redis.url, 'studio', '{ hold_after_failures: 2 }')
    const { target } = computer.state('update_signal.json') as { target: { commit: string } }
    await halted(redis, target.commit, 'attic', 'cellar')
    expectFailure(await computer.telec('telec-update'), 75, [
      'held: 2 computers halted',
      'attic, cellar',
      'telec-update --now',
    ])
    expect(computer.state('update_state.json')).toMatchObject({
      deployed: { version: '1.0.0' },
      halted: null,
    })
    expect((await computer.telec('telec', ['status'])).stdout).toMatch(
      /^pending +an update to .*\n +held: 2 computers halted at .*, or rolled it back; now: telec-update --now$/m,
    )
    expect((await computer.telec('telec-update')).stderr).toBe('') // said once
    await computer.push(version('1.1.1'))
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(deployed(computer)).toBe('1.1.1')
  })

  test('--now takes it all the same; one that halted there itself may try again', async () => {
    const redis = await startRedis()
    const first = await member(redis.url, 'first', '{ hold_after_failures: 1 }')
    const { target } = first.state('update_signal.json') as { target: { commit: string } }
    await halted(redis, target.commit, 'other')
    expect((await first.telec('telec-update')).code).toBe(75)
    expect((await first.telec('telec-update', ['--now'])).code).toBe(42)

    const second = await member(redis.url, 'second', '{ hold_after_failures: 1 }', 'test -e ../mended')
    expectFailure(await second.telec('telec-update'), 1)
    const { target: own } = second.state('update_signal.json') as { target: { commit: string } }
    expect(await redis.client().smembers(`deployment:halted:${own.commit}`)).toEqual(['second'])
    await second.git('-C', second.folder, 'init', '--quiet', 'mended')
    expect((await second.telec('telec-update', ['--retry'])).code).toBe(42)
    expect(existsSync(join(second.folder, 'mended'))).toBe(true)
    expect(await redis.client().exists(`deployment:halted:${own.commit}`)).toBe(0)
  })

  test('a version that a user went back from has not stood the test; taken again, it has', async () => {
    const redis = await startRedis()
    const computer = await member(redis.url, 'studio', '{ hold_after_failures: 1 }')
    const { target } = computer.state('update_signal.json') as { target: { commit: string } }
    const doubted = () => redis.client().smembers(`deployment:halted:${target.commit}`)
    expect((await computer.telec('telec-update')).code).toBe(42)
    expect(await doubted()).toEqual([])
    expect((await computer.telec('telec-update', ['rollback'])).code).toBe(42)
    expect(deployed(computer)).toBe('1.0.0')
    expect(await doubted()).toEqual(['studio'])
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
    expect(deployed(computer)).toBe('1.1.0')
    expect(await doubted()).toEqual([])
  })
})

describe('without Redis', () => {
  test('nothing is held', async () => {
    const computer = await member(
      'redis://127.0.0.1:1',
      'studio',
      '{ max_updating: 1, hold_after_failures: 1 }',
    )
    const ended = await computer.telec('telec-update')
    expect(ended.code).toBe(42)
    expect(ended.stderr).toContain('the update runs without it')
  })

  test('unless the configuration says to wait for it', async () => {
    const computer = await member('redis://127.0.0.1:1', 'studio', '{ max_updating: 1, without_redis: wait }')
    expectFailure(await computer.telec('telec-update'), 75, ['Redis is out of reach', 'telec-update --now'])
    expect(deployed(computer)).toBe('1.0.0')
  })

  test.each([
    ['fleet: { max_updating: 0 }', 'fleet.max_updating', 'at least 1'],
    ['fleet: { max_updating: 2 }', 'fleet', 'nothing without redis.url'],
  ])('%s is a wrong configuration', async (line, ...parts) => {
    const computer = await freshComputer()
    const redis = line.includes('0') ? 'redis:\n  url: redis://127.0.0.1\n' : ''
    computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n${redis}${line}\n`)
    expectFailure(await computer.telec('telec-watch'), 78, parts)
  })
})

describe('a Redis that answers with something else', () => {
  /** Ends each command with the same reply; a handshake is answered as a server would. */
  async function startStranger(reply: string | Buffer): Promise<string> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', (text) => {
        for (const [, command = ''] of String(text).matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g))
          socket.write(
            command.toUpperCase() === 'CLIENT'
              ? '+OK\r\n'
              : command.toUpperCase() === 'INFO'
                ? '$21\r\nredis_version:7.0.0\r\n\r\n'
                : reply,
          )
      })
    })
    const sockets = new Set<Socket>()
    server.on('connection', (socket) => sockets.add(socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
    return `redis://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  const MiB = 1024 * 1024
  test.each<[string, string | Buffer]>([
    ['null', '$-1\r\n'],
    ['a text', '+zzz\r\n'],
    ['an empty list', '*0\r\n'],
    ['three texts', '*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n'],
    ['three numbers', '*3\r\n:1\r\n:2\r\n:3\r\n'],
    ['a list of nothing', '*2\r\n*-1\r\n$-1\r\n'],
    ['a number that is none', ':99999999999999999999999\r\n'],
    ['a negative length', '$-99\r\n'],
    ['a length without end', '$99999999999999999999\r\n'],
    ['a list without end', '*99999999999999\r\n'],
    ['lists that say they are long', '*33000000\r\n'.repeat(40)],
    ['a long list that begins', `*33000000\r\n${'*0\r\n'.repeat(1_000_000)}`],
    ['lists within lists', '*1\r\n'.repeat(200_000)],
    ['a map', '%1\r\n+a\r\n+b\r\n'],
    ['what nobody asked for', '>2\r\n+a\r\n+b\r\n'],
    ['two nulls to each question', '$-1\r\n$-1\r\n'],
    ['what nobody asked for, without a name', '>1\r\n_\r\n'],
    ['more replies than questions', '+OK\r\n+OK\r\n+OK\r\n'],
    ['a refusal with control characters', '-ERR \u001b[31m\u009b\u202epwned\r\n'],
    ['another protocol', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['zeros', '\0'.repeat(1_000)],
    ['half a GiB', Buffer.concat([Buffer.from('$536870912\r\n'), Buffer.alloc(64 * MiB, 'a')])],
  ])('holds no update: %s', async (_, reply) => {
    const url = await startStranger(reply)
    const computer = await member(url, 'studio', '{ max_updating: 1, hold_after_failures: 1 }')
    const ended = await computer.telec('telec-update')
    expect(ended.stderr).toContain('cannot ask the fleet: ')
    expect(ended.code).toBe(42)
    expect(ended.stderr).not.toMatch(/[^\P{Cc}\n]|\p{Bidi_Control}/u)
    const { stdout } = await computer.telec('telec', ['status', '--json'])
    expect(stdout).not.toMatch(/[^\P{Cc}\n]|\p{Bidi_Control}/u)
    const fleet = await computer.telec('telec', ['status', '--fleet'])
    // An empty list is a fleet of nobody.
    if (fleet.code !== 0) expectFailure(fleet, 75, ['Redis is out of reach'])
    else expect(reply).toBe('*0\r\n')
  })
})
