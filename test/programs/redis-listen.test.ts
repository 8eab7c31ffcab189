import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { DIST } from '../helpers/programs.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'

const STREAM = 'deployment:version_available'

interface Listener {
  readonly process: ChildProcess
  output(): string
  /** Resolves when it says that. */
  says(part: string): Promise<unknown>
}

async function computerWith(redis: RedisServer): Promise<Computer> {
  const computer = await freshComputer()
  computer.writeConfig(
    `computer: studio\ndeployment:\n  checkout: ${computer.checkout}\nredis:\n  url: ${redis.url}\n`,
  )
  await computer.telec('telec-watch')
  return computer
}

async function listen(computer: Computer): Promise<Listener> {
  const child = spawn(process.execPath, [join(DIST, 'telec-watch'), '--listen'], {
    env: { ...computer.env, TELEC_DEBUG: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill() // it takes a poll that it started along
    await exit
  })
  let output = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const says = (part: string) => until(`"${part}" in ${output}`, async () => output.includes(part))
  await says('listening for announcements')
  return { process: child, output: () => output, says }
}

/** As another program of the fleet writes it. */
function add(redis: RedisServer, event: unknown): Promise<string | null> {
  return redis.client().xadd(STREAM, '*', 'event', typeof event === 'string' ? event : JSON.stringify(event))
}

const RECORDED = {
  source: 'deployment',
  type: 'version_available',
  properties: { channel: 'alpha', version: '1.1.0', from_version: '1.0.0', daemon_id: 'laptop' },
  timestamp: 1_768_000_000,
}

const target = (computer: Computer) =>
  (computer.state('update_signal.json') as { target: { commit: string } } | null)?.target.commit

describe('telec-watch --listen', () => {
  test('polls as soon as a version is announced, and believes the git remote alone', async () => {
    const redis = await startRedis()
    const computer = await computerWith(redis)
    const listener = await listen(computer)
    await add(redis, { ...RECORDED, properties: { ...RECORDED.properties, version: '6.6.6' } })
    await listener.says('polled: current')
    expect(target(computer)).toBeUndefined()
    const commit = await computer.push(version('1.1.0'))
    expect((await computer.telec('telec', ['notify'])).stdout).toMatch(/^announced on alpha: \d+-\d+$/m)
    await until('the signal', async () => target(computer) === commit)
    await listener.says('new version: ')
  })

  test('skips its own announcements, those of other channels, and what it does not understand', async () => {
    const redis = await startRedis()
    const computer = await computerWith(redis)
    const listener = await listen(computer)
    const { properties } = RECORDED
    await add(redis, { ...RECORDED, properties: { ...properties, daemon_id: 'studio' } })
    await add(redis, { ...RECORDED, properties: { ...properties, channel: 'beta' } })
    for (const odd of [
      '{',
      'null',
      '7',
      '{"type":"other"}',
      JSON.stringify({ ...RECORDED, properties: { channel: 7 } }),
    ])
      await add(redis, odd)
    await redis.client().xadd(STREAM, '*', 'other', 'field')
    expect(listener.output()).not.toContain('polled:')
    await add(redis, { ...RECORDED, more: { of: 'it' }, properties: { ...properties, extra: [1] } })
    await listener.says('polled: current')
    expect(listener.output().match(/polled:/g)).toHaveLength(1)
  })

  test('continues where it was: across its own end, a server that is killed, emptied, or trimmed', async () => {
    const redis = await startRedis()
    const computer = await computerWith(redis)
    const first = await listen(computer)
    await add(redis, RECORDED)
    await first.says('polled: current')
    first.process.kill('SIGKILL')
    await once(first.process, 'exit')
    let commit = await computer.push(version('1.1.0'))
    await add(redis, RECORDED) // while nobody listens
    const second = await listen(computer)
    await until('the signal', async () => target(computer) === commit)

    await redis.kill()
    await second.says('Redis is out of reach')
    await redis.start()
    await second.says('Redis is back: listening again')
    commit = await computer.push(version('1.2.0'))
    await add(redis, RECORDED)
    await until('the signal', async () => target(computer) === commit)

    await redis.client().flushall()
    commit = await computer.push(version('1.3.0'))
    await redis.client().xadd(STREAM, 'MAXLEN', 1, '*', 'event', JSON.stringify(RECORDED))
    await until('the signal', async () => target(computer) === commit)
  })

  test('starts again as the new one where its configuration changes', async () => {
    const redis = await startRedis()
    const computer = await computerWith(redis)
    const listener = await listen(computer)
    const exit = once(listener.process, 'exit')
    computer.writeConfig(
      readFileSync(join(computer.home, 'config.yml'), 'utf8').replace('computer: studio', 'computer: loft'),
    )
    await add(redis, RECORDED)
    expect((await exit)[0]).toBe(42)
  })

  test('needs a Redis', async () => {
    const computer = await freshComputer()
    expectFailure(await computer.telec('telec-watch', ['--listen']), 78, ['there is no Redis', 'redis.url'])
  })
})

test('a computer that finds a version announces it, in the form that others read', async () => {
  const redis = await startRedis()
  const computer = await computerWith(redis)
  await computer.push(version('1.1.0'))
  await computer.telec('telec-watch')
  await computer.telec('telec-watch')
  const entries = await redis.client().xrange(STREAM, '-', '+')
  expect(entries).toHaveLength(1)
  const [, fields] = entries[0] ?? ['', []]
  expect(fields[0]).toBe('event')
  expect(JSON.parse(fields[1] ?? '')).toEqual({
    source: 'deployment',
    type: 'version_available',
    properties: { channel: 'alpha', version: null, from_version: '1.0.0', daemon_id: 'studio' },
    timestamp: expect.any(Number),
  })
})

test('the stream is kept near a thousand', async () => {
  const redis = await startRedis()
  const computer = await computerWith(redis)
  const client = redis.client()
  const pipeline = client.pipeline()
  for (let index = 0; index < 3_000; index += 1) pipeline.xadd(STREAM, '*', 'event', '{}')
  await pipeline.exec()
  await computer.telec('telec', ['notify', '--channel', 'beta', '--release', '1.2.3', '--from', '1.2.2'])
  expect(await client.xlen(STREAM)).toBeLessThan(1_200)
})

describe('telec notify', () => {
  test('works in CI, where there is no configuration', async () => {
    const redis = await startRedis({ requirepass: 'secret' })
    const computer = await freshComputer({ init: false })
    const url = redis.url.replace('//', '//:secret@')
    const ended = await computer.telec('telec', ['notify', '--channel', 'beta'], {
      env: { TELEC_REDIS_URL: url },
    })
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/^announced on beta: /) })
    const again = await computer.telec('telec', ['notify', '--json'], { env: { TELEC_REDIS_URL: url } })
    expect(JSON.parse(again.stdout)).toMatchObject({
      announcement: { channel: 'alpha', version: null },
      id: expect.stringMatching(/^\d+-\d+$/),
    })
  })

  test('says what to do without a Redis, with one that is away, or an odd URL', async () => {
    const computer = await freshComputer()
    expectFailure(await computer.telec('telec', ['notify']), 78, ['redis.url', 'TELEC_REDIS_URL'])
    const away = { env: { TELEC_REDIS_URL: 'redis://127.0.0.1:1' } }
    expectFailure(await computer.telec('telec', ['notify'], away), 75, [
      'ECONNREFUSED',
      'each computer finds the version at its next poll',
    ])
    const odd = { env: { TELEC_REDIS_URL: 'http://:secret@x' } }
    const ended = await computer.telec('telec', ['notify'], odd)
    expectFailure(ended, 2, ['TELEC_REDIS_URL'])
    expect(ended.stderr).not.toContain('secret')
  })
})
