import { describe, expect, onTestFinished, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { type Scope, type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

const CONFIG = { user: '~/.teleclaude/config.yml', system: '/etc/telec/config.yml' }
const SCOPES: Scope[] = ['user', 'system']

async function listening(scope: Scope): Promise<{ subscriber: Subscriber; redis: RedisServer }> {
  const redis = await startRedis()
  // Nobody waits for the timer here.
  const subscriber = await subscribe(scope, { poll_every: '1h', healthy_after: '0s' })
  onTestFinished(() => subscriber.dispose())
  await subscriber.sh(`printf 'redis:\\n  url: ${redis.url}\\n' >>${CONFIG[scope]}`)
  await subscriber.telec('telec install')
  const journal = `journalctl --quiet --output=cat ${scope === 'user' ? '--user' : ''} -t telec-listen`
  await until('it to listen', async () =>
    (await subscriber.sh(journal)).stdout.includes('listening for announcements'),
  )
  return { subscriber, redis }
}

describe.each(SCOPES)('with Redis, %s scope', (scope) => {
  test('a push that is announced runs at once, though the next poll is an hour away', async () => {
    const { subscriber } = await listening(scope)
    const commit = await subscriber.push(version('1.1.0'))
    await subscriber.telec('telec notify')
    await subscriber.deployed(commit)
    const { stdout } = await subscriber.telec('telec doctor', { allowFailure: true })
    expect(stdout.split('\n').filter((line) => line.startsWith('✗'))).toEqual([])

    await subscriber.sh(`sed -i '/^redis:/,$d' ${CONFIG[scope]}`)
    expect((await subscriber.telec('telec install')).stdout).toMatch(/removed .*telec-listen\.service/)
    expect(await subscriber.systemctl('is-active telec-listen.service')).toBe('inactive')
    await subscriber.telec('telec uninstall')
    expect(await subscriber.systemctl('list-unit-files --plain --no-legend "telec*"')).toBe('')
  })
})
