import { readFileSync } from 'node:fs'
import { join as joinPath } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { watchAndUpdate } from '../helpers/update.ts'

interface Member {
  readonly computer: string
  readonly heard_at: string
  readonly status: Record<string, unknown> | null
}

async function join(redis: RedisServer, name: string): Promise<Computer> {
  const computer = await freshComputer()
  computer.writeConfig(
    `computer: ${name}\ndeployment:\n  checkout: ${computer.checkout}\nredis:\n  url: ${redis.url}\n`,
  )
  await computer.telec('telec-watch')
  return computer
}

/** As another program of the fleet writes it. */
async function write(redis: RedisServer, name: string, status: unknown, heardSecondsAgo = 0): Promise<void> {
  const client = redis.client()
  const text = typeof status === 'string' ? status : JSON.stringify(status)
  await client.set(`system_status:${name}:deploy`, text)
  await client.zadd('system_status:computers', String(Math.floor(Date.now() / 1000) - heardSecondsAgo), name)
}

async function members(computer: Computer): Promise<Map<string, Member>> {
  const { code, stdout } = await computer.telec('telec', ['status', '--fleet', '--json'])
  expect(code).toBe(0)
  const { computers } = JSON.parse(stdout) as { computers: Member[] }
  return new Map(computers.map((member) => [member.computer, member]))
}

test('the fleet is seen from each of its computers: versions, halts with their reasons, silence', async () => {
  const redis = await startRedis()
  const studio = await join(redis, 'studio')
  const attic = await join(redis, 'attic')
  await studio.push(version('1.1.0'))
  await watchAndUpdate(studio)
  await attic.push({
    ...version('1.1.0'),
    'migrations/v1.1.0/001_fails.mjs':
      'export const check = () => false\nexport const migrate = () => false\n',
  })
  await watchAndUpdate(attic)
  await write(
    redis,
    'cellar',
    { status: 'updated', timestamp: Math.floor(Date.now() / 1000) - 90_000, version: '1.0.9' },
    3_600,
  )

  const { code, stdout } = await attic.telec('telec', ['status', '--fleet'])
  expect(code).toBe(0)
  const [headings, ...rows] = stdout.split('\n')
  expect(headings).toMatch(/^COMPUTER +CHANNEL +RUNS +COMMIT +TARGET +STATUS +STEP +SINCE +HEARD$/)
  expect(rows[0]).toMatch(
    /^attic +alpha +1\.0\.0 +[0-9a-f]{12} +1\.1\.0 +update_failed +migrate +\d+ s ago +\d+ s ago$/,
  )
  expect(rows[1]).toMatch(/^cellar +- +1\.0\.9 +- +- +updated +- +25 h ago +60 min ago \(silent\)$/)
  expect(rows[2]).toMatch(/^studio +alpha +1\.1\.0 +[0-9a-f]{12} +- +updated +done +\d+ s ago +\d+ s ago$/)
  expect(stdout).toContain('3 computers: 1 × 1.1.0, 1 × 1.0.9, 1 × 1.0.0\n')
  expect(stdout).toContain('attic halted at migrate: migration 1.1.0/001_fails.mjs failed')
  const all = await members(studio)
  expect(all.get('attic')?.status).toMatchObject({
    status: 'update_failed',
    migration: '1.1.0/001_fails.mjs',
  })
})

test('nothing that one computer writes breaks the view of another', async () => {
  const redis = await startRedis()
  const studio = await join(redis, 'studio')
  const good = { status: 'updated', timestamp: 1_768_000_000 }
  const odd: [string, unknown][] = [
    ['half', '{"status": "upd'],
    ['number', '7'],
    ['empty', ''],
    ['shape', { status: 7, timestamp: 'x' }],
    ['screen', { ...good, version: '\u001b[2J\u001b[31m1.0', error: 'x\r\ny\u202e\u200f\u009b31m' }],
    ['endless', { ...good, version: 'x'.repeat(100_000), step: 'y\n'.repeat(10_000) }],
    ['giant', `{"status":"updated","timestamp":1,"error":"${'x'.repeat(32 * 1024 * 1024)}"}`],
    ['far', { ...good, timestamp: 1e300 }],
    ['more', { ...good, version: '1.2.3', extra: { of: [1] } }],
    ['bad name', good],
    ['x'.repeat(200), good],
    ['\u001b[2Jname', good],
  ]
  for (const [name, status] of odd) await write(redis, name, status)
  await redis.client().zadd('system_status:computers', '+inf', 'forever')
  await redis.client().lpush('system_status:forever:deploy', 'a list')

  const { code, stdout } = await studio.telec('telec', ['status', '--fleet'])
  expect(code).toBe(0)
  const asJson = (await studio.telec('telec', ['status', '--fleet', '--json'])).stdout
  for (const text of [stdout, asJson]) expect(text).not.toMatch(/[^\P{Cc}\n]|\p{Bidi_Control}/u)
  expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThan(400)
  const all = await members(studio)
  expect([...all.keys()].toSorted()).toEqual([
    'empty',
    'endless',
    'far',
    'forever',
    'giant',
    'half',
    'more',
    'number',
    'screen',
    'shape',
    'studio',
  ])
  for (const name of ['half', 'number', 'empty', 'shape', 'forever', 'endless', 'giant'])
    expect(all.get(name)?.status, name).toBeNull()
  expect(all.get('screen')?.status).toMatchObject({ error: 'x\r\ny\u202e\u200f\u009b31m' }) // the data is the same
  expect(all.get('more')?.status).toMatchObject({ version: '1.2.3' })
})

test('a computer with a new name is heard of under that one alone', async () => {
  const redis = await startRedis()
  const studio = await join(redis, 'studio')
  await studio.push(version('1.1.0'))
  await watchAndUpdate(studio)
  const config = readFileSync(joinPath(studio.home, 'config.yml'), 'utf8')
  studio.writeConfig(config.replace('studio', 'attic'))
  await studio.telec('telec-watch', ['--scheduled'])
  expect((await members(studio)).get('attic')?.status).toMatchObject({ version: '1.1.0' })
  await studio.telec('telec', ['fleet', 'forget', 'studio'])
  studio.writeState(
    'redis.json',
    JSON.stringify({ ...studio.state('redis.json'), reached_at: '2026-01-01T00:00:00Z' }),
  )
  await studio.telec('telec-watch', ['--scheduled'])
  expect([...(await members(studio)).keys()]).toEqual(['attic'])
})

describe('telec fleet forget', () => {
  const left = async (redis: RedisServer, name: string) => {
    const client = redis.client()
    const found: string[] = []
    for (const key of await client.keys('*')) {
      const type = await client.type(key)
      const names =
        type === 'zset'
          ? await client.zrange(key, '0', '-1')
          : type === 'set'
            ? await client.smembers(key)
            : []
      if (names.includes(name) || key === `system_status:${name}:deploy`) found.push(key)
    }
    return found
  }

  test('removes what Redis holds about a computer, says what, and leaves the others', async () => {
    const redis = await startRedis()
    const studio = await join(redis, 'studio')
    const commits = ['a', 'b'].map((letter) => letter.repeat(40))
    for (const name of ['attic', 'attic/worker', 'attic2']) {
      await write(redis, name, { status: 'updated', timestamp: 1_768_000_000, version: '1.0.0' }, 3_600)
      for (const commit of commits) await redis.client().sadd(`deployment:halted:${commit}`, name)
      for (const set of ['updating', 'waiting', 'alive'])
        await redis.client().zadd(`deployment:{fleet}:${set}`, '9', name)
    }
    const { code, stdout } = await studio.telec('telec', ['fleet', 'forget', 'attic'])
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout:
        'forgot attic: its place in the list of computers, its last status, its turn to update, its halt at aaaaaaaaaaaa, its halt at bbbbbbbbbbbb\n',
    })
    expect(await left(redis, 'attic')).toEqual([])
    expect(await left(redis, 'attic2')).toHaveLength(7)
    const named = await studio.telec('telec', ['fleet', 'forget', 'attic/worker', '--json'])
    expect(JSON.parse(named.stdout)).toMatchObject({
      computer: 'attic/worker',
      status: true,
      turn: true,
      halted_at: commits,
      reports: false,
    })
    expect([...(await members(studio)).keys()].toSorted()).toEqual(['attic2', 'studio'])
  })

  test('says of one that still reports that it comes back, and it does', async () => {
    const redis = await startRedis()
    const studio = await join(redis, 'studio')
    await studio.push(version('1.1.0'))
    await watchAndUpdate(studio)
    const { stdout } = await studio.telec('telec', ['fleet', 'forget', 'studio'])
    expect(stdout).toMatch(/\nit still reports \(\d+ s ago\), and appears again .*telec uninstall\n$/)
    expect((await members(studio)).size).toBe(0)
    await studio.push(version('1.2.0'))
    await watchAndUpdate(studio)
    expect((await members(studio)).get('studio')?.status).toMatchObject({ version: '1.2.0' })
  })

  test('names what may be meant by a computer that there is not, and removes nothing', async () => {
    const redis = await startRedis()
    const studio = await join(redis, 'studio')
    for (const name of ['attic', 'cellar/web']) await write(redis, name, { status: 'updated', timestamp: 1 })
    for (const [given, meant] of [
      ['atic', 'attic'],
      ['ATTIC', 'attic'],
      ['cellar', 'cellar/web'],
    ] as const)
      expectFailure(await studio.telec('telec', ['fleet', 'forget', given]), 2, [
        `Redis knows no computer "${given}"`,
        `did you mean ${meant}?`,
      ])
    const far = await studio.telec('telec', ['fleet', 'forget', 'something-else'])
    expectFailure(far, 2, ['telec status --fleet'])
    expect(far.stderr).not.toContain('did you mean')
    expect(await left(redis, 'attic')).toHaveLength(2)
  })
})

test('without Redis, or with one that is away, it says so', async () => {
  const computer = await freshComputer()
  expectFailure(await computer.telec('telec', ['status', '--fleet']), 78, ['redis.url'])
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\nredis:\n  url: redis://127.0.0.1:1\n`)
  expectFailure(await computer.telec('telec', ['status', '--fleet']), 75, [
    'Redis is out of reach',
    'telec status',
  ])
  const redis = await startRedis()
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\nredis:\n  url: ${redis.url}\n`)
  expect((await computer.telec('telec', ['status', '--fleet'])).stdout).toBe('no computer has reported yet\n')
})
