import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, markerMigration, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { watchAndUpdate } from '../helpers/update.ts'

const KEY = 'system_status:studio:deploy'

async function computerWith(url: string, more = ''): Promise<Computer> {
  const computer = await freshComputer()
  computer.writeConfig(
    `computer: studio\ndeployment:\n  checkout: ${computer.checkout}\n${more.startsWith('  ') ? more : ''}redis:\n  url: ${url}\n${more.startsWith('  ') ? '' : more}`,
  )
  return computer
}

async function statusIn(redis: RedisServer): Promise<Record<string, unknown> | null> {
  return JSON.parse((await redis.client().get(KEY)) ?? 'null') as Record<string, unknown> | null
}

/** Every status that is written from now on, in order. */
async function record(redis: RedisServer): Promise<string[]> {
  const statuses: string[] = []
  await redis.monitor((command, key, value = '') => {
    if (command === 'set' && key === KEY) statuses.push((JSON.parse(value) as { status: string }).status)
  })
  return statuses
}

test('each status of an update is written in order, with what readers of it expect', async () => {
  const redis = await startRedis()
  const computer = await computerWith(redis.url)
  await computer.telec('telec-watch')
  expect(await statusIn(redis)).toMatchObject({
    status: 'updated',
    version: '1.0.0',
    from: null,
    step: 'done',
  })
  const statuses = await record(redis)
  const before = Math.floor(Date.now() / 1000)
  const commit = await computer.push({ ...version('1.1.0'), ...markerMigration('1.1.0', '001_a.mjs') })
  expect((await watchAndUpdate(computer)).code).toBe(42)
  expect([...new Set(statuses)]).toEqual(['updating', 'migrating', 'installing', 'restarting', 'updated'])
  expect(statuses).toEqual(statuses.toSorted((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b)))
  const status = await statusIn(redis)
  expect(status).toEqual(computer.state('status.json'))
  expect(status).toMatchObject({
    channel: 'alpha',
    from: '1.0.0',
    version: '1.1.0',
    commit,
    error: null,
    migration: null,
  })
  expect(status?.timestamp).toBeGreaterThanOrEqual(before)
  expect(await redis.client().zrange('system_status:computers', '0', '-1')).toEqual(['studio'])
})

const ORDER = ['updating', 'migrating', 'installing', 'restarting', 'updated']

test('a halt is written with its step, error and migration', async () => {
  const redis = await startRedis()
  const computer = await computerWith(redis.url)
  await computer.push({
    ...version('1.1.0'),
    'migrations/v1.1.0/001_fails.mjs':
      'export const check = () => false\nexport const migrate = () => false\n',
  })
  await watchAndUpdate(computer)
  expect(await statusIn(redis)).toMatchObject({
    status: 'update_failed',
    step: 'migrate',
    migration: '1.1.0/001_fails.mjs',
    error: expect.stringContaining('001_fails.mjs'),
  })
})

describe('an update is the same without Redis, and the latest status is sent when it is back', () => {
  test.each(['migrate', 'install'])('killed in %s', async (step) => {
    const redis = await startRedis()
    const kill = step === 'install' ? redis.killCommand : 'test -e .'
    const computer = await computerWith(redis.url, `  install: ${kill}\n`)
    const commit = await computer.push({
      ...version('1.1.0'),
      'migrations/v1.1.0/001_kills.mjs': `import { execSync } from 'node:child_process'
let done = false
export const check = () => done
export const migrate = () => { execSync(${JSON.stringify(step === 'migrate' ? redis.killCommand : 'true')}); return (done = true) }\n`,
    })
    const ended = await watchAndUpdate(computer)
    expect(ended.code).toBe(42)
    expect(ended.stderr.match(/cannot send the status to Redis/g)).toHaveLength(1)
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit }, halted: null })
    expect(computer.state('redis.json')).toMatchObject({ failures: 1 })
    expect((await computer.telec('telec-watch', ['--scheduled'])).stderr).not.toContain(
      'cannot send the status to Redis',
    ) // said once
    await redis.start()
    const back = await computer.telec('telec-watch', ['--scheduled'])
    expect(back.stderr).toContain('Redis is back after 2 failed attempts')
    expect(await statusIn(redis)).toEqual(computer.state('status.json'))
  })

  // Without a service a restart is over before the command for it would begin: that may be skipped for the next.
  test.each(['updating', 'migrating', 'installing', 'restarting|updated', 'updated'])(
    'killed as it is told "%s", and started again',
    async (status) => {
      const redis = await startRedis()
      const computer = await computerWith(
        redis.url,
        `on_status: 'case "$TELEC_STATUS" in ${status}) ${redis.killCommand} 2>/dev/null ;; esac; true'\n`,
      )
      const commit = await computer.push({ ...version('1.1.0'), ...markerMigration('1.1.0', '001_a.mjs') })
      const updating = watchAndUpdate(computer)
      await redis.killed()
      await redis.start()
      expect((await updating).code).toBe(42)
      expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit }, halted: null })
      // It may have taken the last one before it died, with all that it knew: the next sign of life brings it back.
      const link = computer.state('redis.json')
      if (status === 'updated')
        computer.writeState('redis.json', JSON.stringify({ ...link, reached_at: '2026-01-01T00:00:00Z' }))
      await computer.telec('telec-watch', ['--scheduled'])
      expect(await statusIn(redis)).toEqual(computer.state('status.json'))
      expect(await statusIn(redis)).toMatchObject({ status: 'updated', commit })
    },
  )

  test('killed, and back before the update ends: nothing is missing', async () => {
    const redis = await startRedis()
    const computer = await computerWith(
      redis.url,
      `  install: "${redis.killCommand}; while ! test -e '$TELEC_HOME/back'; do sleep 0.1; done"\n`,
    )
    computer.writeConfig(
      readFileSync(join(computer.home, 'config.yml'), 'utf8').replaceAll(
        "'$TELEC_HOME/back'",
        '$TELEC_HOME/back',
      ),
    )
    await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    const updating = computer.telec('telec-update')
    await redis.killed()
    await redis.start()
    const statuses = await record(redis)
    writeFileSync(join(computer.home, 'back'), '')
    expect((await updating).code).toBe(42)
    expect(statuses.at(-1)).toBe('updated')
    expect(computer.state('redis.json')).toMatchObject({ failures: 0 })
  })

  const refusals: [string, () => Promise<string>, RegExp][] = [
    ['that nobody runs', async () => 'redis://127.0.0.1:1', /ECONNREFUSED|Connection is closed/],
    [
      'that wants another password',
      async () => (await startRedis({ requirepass: 'right' })).url.replace('//', '//:wrong@'),
      /WRONGPASS/,
    ],
    ['that wants a password', async () => (await startRedis({ requirepass: 'right' })).url, /NOAUTH/],
    [
      'that is full',
      async () => (await startRedis({ maxmemory: '1', 'maxmemory-policy': 'noeviction' })).url,
      /OOM/,
    ],
    [
      'that is a replica',
      async () => (await startRedis({ replicaof: `127.0.0.1 ${(await startRedis()).port}` })).url,
      /READONLY/,
    ],
    [
      'that holds something else under the key',
      async () => {
        const redis = await startRedis()
        await redis.client().sadd('system_status:computers', 'x')
        return redis.url
      },
      /WRONGTYPE/,
    ],
  ]
  test.each(refusals)('one %s', async (_, url, why) => {
    const computer = await computerWith(await url())
    const commit = await computer.push(version('1.1.0'))
    const ended = await watchAndUpdate(computer)
    expect(ended.code).toBe(42)
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit }, halted: null })
    expect(computer.state('redis.json')).toMatchObject({ last_failure: expect.stringMatching(why) })
  })

  test('one that does not answer: the update is over long before it does', async () => {
    const redis = await startRedis()
    const computer = await computerWith(redis.url)
    await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    const client = redis.client()
    await client.client('PAUSE', '60000')
    let isAnswered = false
    void client.get('x').then(
      () => (isAnswered = true),
      () => undefined,
    )
    expect((await computer.telec('telec-update')).code).toBe(42)
    expect(isAnswered).toBe(false)
    expect(computer.state('redis.json')).toMatchObject({
      last_failure: expect.stringMatching(/no answer|timed out/i),
    })
  })
})

test('the password may be in a file, and is in no output or file of telec', async () => {
  const redis = await startRedis({ requirepass: 'marked-secret' })
  const computer = await computerWith(redis.url)
  const file = join(computer.folder, 'password')
  writeFileSync(file, 'marked-secret\n')
  chmodSync(file, 0o600)
  computer.writeConfig(`${readFileSync(join(computer.home, 'config.yml'), 'utf8')}  password_file: ${file}\n`)
  await computer.push(version('1.1.0'))
  const outputs = [
    await computer.telec('telec-watch'),
    await computer.telec('telec-update'),
    await computer.telec('telec', ['status', '--json']),
  ]
  expect(computer.state('redis.json')).toMatchObject({ failures: 0 })
  for (const { stdout, stderr } of outputs) expect(stdout + stderr).not.toContain('marked-secret')
})

test.each([
  ['url: http://127.0.0.1', 'redis.url', 'redis://HOST:6379'],
  ['url: redis://:secret@/x', 'redis.url', 'redis://HOST:6379'],
])('%s is a wrong configuration, and no password is repeated', async (line, ...parts) => {
  const computer = await freshComputer()
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\nredis:\n  ${line}\n`)
  const { code, stderr } = await computer.telec('telec-watch')
  expect(code).toBe(78)
  for (const part of parts) expect(stderr).toContain(part)
  expect(stderr).not.toContain('secret')
})
