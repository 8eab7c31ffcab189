import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { onTestFinished } from 'vitest'
import { canConnect, freePort } from './git-server.ts'
import { requireTool } from './missing-tool.ts'
import { until } from './until.ts'

/** A real redis-server on the loopback interface, for a single test. */
export interface RedisServer {
  readonly port: number
  readonly url: string
  /** A shell command that ends it as a crash does; it works from any process. */
  readonly killCommand: string
  kill(): Promise<void>
  /** Resolves when another user has killed it. */
  killed(): Promise<unknown>
  /** Starts it again, on the same port, without any data. */
  start(): Promise<void>
  /** A client of the test's own; closed at its end. */
  client(): Redis
  /** Tells of each command that it gets from now on. */
  monitor(onCommand: (command: string, ...args: string[]) => void): Promise<void>
}

/** Starts one with these settings, as redis.conf(5) has them: `{ maxmemory: '2mb' }`. */
export async function startRedis(settings: Readonly<Record<string, string>> = {}): Promise<RedisServer> {
  requireTool('redis-server', 'redis-server')
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'telec-redis-'))
  const pidfile = join(folder, 'pid')
  const all = { port: String(port), bind: '127.0.0.1', dir: folder, save: '', pidfile, ...settings }
  const args = Object.entries(all).flatMap(([key, value]) => [
    `--${key}`,
    ...(value === '' ? [''] : value.split(' ')),
  ])
  let server: ChildProcess | undefined
  const start = async () => {
    // It ends with the test run, however that ends.
    server = spawn('setpriv', ['--pdeathsig', 'KILL', 'redis-server', ...args], { stdio: 'ignore' })
    await until('redis-server to listen', () => canConnect(port))
  }
  const kill = async () => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    const exit = once(server, 'exit')
    server.kill('SIGKILL')
    await exit
  }
  const clients: Redis[] = []
  await start()
  onTestFinished(async () => {
    for (const client of clients) client.disconnect()
    await kill()
    rmSync(folder, { recursive: true, force: true })
  })
  const redis: RedisServer = {
    port,
    url: `redis://127.0.0.1:${port}`,
    killCommand: `kill -KILL ${server?.pid}`,
    kill,
    killed: () => until('redis-server to be gone', async () => server?.signalCode != null),
    start,
    client() {
      const client = new Redis({
        port,
        host: '127.0.0.1',
        ...(settings.requirepass ? { password: settings.requirepass } : {}),
      })
      client.on('error', () => undefined)
      clients.push(client)
      return client
    },
    async monitor(onCommand) {
      const monitor = await redis.client().monitor()
      monitor.on('error', () => undefined)
      clients.push(monitor)
      monitor.on('monitor', (_time: string, [command = '', ...args]: string[]) =>
        onCommand(command.toLowerCase(), ...args),
      )
    },
  }
  return redis
}
