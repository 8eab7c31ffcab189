import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster, Redis } from 'ioredis'
import { describe, expect, onTestFinished, test } from 'vitest'
import { HALTED_KEYS } from '../../src/fleet/keys.ts'
import { certificate } from '../helpers/certificate.ts'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { canConnect, freePort } from '../helpers/git-server.ts'
import { DIST, succeed } from '../helpers/programs.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'
import { watchAndUpdate } from '../helpers/update.ts'

const KEY = 'system_status:studio:deploy'

async function computerWith(...redis: string[]): Promise<Computer> {
  const computer = await freshComputer()
  computer.writeConfig(
    `computer: studio\ndeployment:\n  checkout: ${computer.checkout}\nredis:\n${redis.map((line) => `  ${line}\n`).join('')}`,
  )
  return computer
}

async function listen(computer: Computer): Promise<(part: string, times?: number) => Promise<unknown>> {
  const child: ChildProcess = spawn(process.execPath, [join(DIST, 'telec-watch'), '--listen'], {
    env: { ...computer.env, TELEC_DEBUG: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  onTestFinished(async () => {
    const exit = once(child, 'exit')
    if (child.kill()) await exit
  })
  let output = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  return (part, times = 1) => until(`"${part}" in ${output}`, async () => output.split(part).length > times)
}

describe('a cluster of three nodes', () => {
  async function startCluster(): Promise<RedisServer[]> {
    const nodes = await Promise.all(
      [1, 2, 3].map(async () =>
        startRedis({
          'cluster-enabled': 'yes',
          'cluster-node-timeout': '1000',
          'cluster-port': String(await freePort()),
        }),
      ),
    )
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
    await succeed('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'])
    await until('the cluster to be well', async () =>
      (await Promise.all(nodes.map((node) => node.client().cluster('INFO')))).every((info) =>
        info.includes('cluster_state:ok'),
      ),
    )
    return nodes
  }

  test('takes statuses, announcements, turns, and shows the fleet', async () => {
    const nodes = await startCluster()
    const hosts = nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')
    const computer = await computerWith(`url: redis+cluster://${hosts}`)
    computer.writeConfig(
      `computer: studio\ndeployment:\n  checkout: ${computer.checkout}\nredis:\n  url: redis+cluster://${hosts}\nfleet: { max_updating: 1, hold_after_failures: 1 }\n`,
    )
    await computer.telec('telec-watch')
    const says = await listen(computer)
    await says('listening for announcements')
    await computer.push(version('1.1.0'))
    await computer.telec('telec', ['notify'])
    await says('new version: ')
    const ended = await computer.telec('telec-update')
    expect(ended.code).toBe(42)
    expect(ended.stderr).not.toContain('Redis')
    const { stdout } = await computer.telec('telec', ['status', '--fleet'])
    expect(stdout).toMatch(/^studio +alpha +1\.1\.0 +[0-9a-f]{12} +- +updated +done/m)

    // Each of these keys is on another node, as its hash has it.
    const commits = ['a', 'b', 'c', 'd', 'e', 'f'].map((digit) => digit.repeat(40))
    const cluster = new Cluster([{ host: '127.0.0.1', port: nodes[0]?.port ?? 0 }])
    onTestFinished(() => cluster.disconnect())
    const keys = commits.map((commit) => `${HALTED_KEYS}${commit}`)
    for (const key of keys) await cluster.sadd(key, 'studio')
    const forgotten = await computer.telec('telec', ['fleet', 'forget', 'studio', '--json'])
    expect(JSON.parse(forgotten.stdout)).toMatchObject({ status: true, halted_at: commits })
    for (const key of [KEY, ...keys]) expect(await cluster.exists(key), key).toBe(0)
  })
})

describe('sentinels', () => {
  test('name the master; after a failover everything continues with the new one', async () => {
    const master = await startRedis()
    const replica = await startRedis({ replicaof: `127.0.0.1 ${master.port}` })
    const port = await freePort()
    const folder = mkdtempSync(join(tmpdir(), 'telec-sentinel-'))
    const config = join(folder, 'sentinel.conf')
    writeFileSync(
      config,
      `port ${port}\ndir ${folder}\nsentinel monitor web 127.0.0.1 ${master.port} 1\nsentinel down-after-milliseconds web 500\nsentinel failover-timeout web 3000\n`,
    )
    const sentinel = spawn('setpriv', ['--pdeathsig', 'KILL', 'redis-server', config, '--sentinel'], {
      stdio: 'ignore',
    })
    onTestFinished(() => {
      sentinel.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    })
    await until('the sentinel to listen', () => canConnect(port))
    const asked = new Redis({ port, host: '127.0.0.1' })
    onTestFinished(() => asked.disconnect())
    await until(
      'the sentinel to know the replica',
      async () => ((await asked.call('SENTINEL', 'replicas', 'web')) as unknown[]).length === 1,
    )

    const computer = await computerWith(`url: redis+sentinel://127.0.0.1:${port}/web`)
    await computer.telec('telec-watch')
    expect(await master.client().get(KEY)).not.toBeNull()
    const says = await listen(computer)
    await says('listening for announcements')
    await master.kill()
    await until('the failover', async () => (await replica.client().role())[0] === 'master')
    await says('Redis is back: listening again')
    const commit = await computer.push(version('1.1.0'))
    await computer.telec('telec', ['notify'])
    await says('new version: ')
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(JSON.parse((await replica.client().get(KEY)) ?? '{}')).toMatchObject({ status: 'updated', commit })
  })
})

describe('TLS', () => {
  async function startTls(cert: string, key: string): Promise<number> {
    const port = await freePort()
    await startRedis({
      'tls-port': String(port),
      'tls-cert-file': cert,
      'tls-key-file': key,
      'tls-auth-clients': 'no',
    })
    return port
  }

  test('a certificate that nobody vouches for, or of another host, is refused; one that ca_file vouches for is not', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'telec-tls-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const own = await certificate(folder, '127.0.0.1')
    const other = await certificate(folder, 'redis.example.org')
    const port = await startTls(own.cert, own.key)

    const unknown = await computerWith(`url: rediss://127.0.0.1:${port}`)
    await unknown.telec('telec-watch')
    expect(unknown.state('redis.json')).toMatchObject({
      failures: 1,
      last_failure: expect.stringMatching(/self-signed certificate/),
    })

    const vouched = await computerWith(`url: rediss://127.0.0.1:${port}`, `ca_file: ${own.cert}`)
    await vouched.telec('telec-watch')
    expect(vouched.state('redis.json')).toMatchObject({ failures: 0 })

    const wrong = await computerWith(
      `url: rediss://127.0.0.1:${await startTls(other.cert, other.key)}`,
      `ca_file: ${other.cert}`,
    )
    await wrong.telec('telec-watch')
    expect(wrong.state('redis.json')).toMatchObject({
      failures: 1,
      last_failure: expect.stringMatching(/does not match certificate/),
    })
  })
})
