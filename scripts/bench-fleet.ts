// Ten thousand computers that exist in Redis alone: what their statuses weigh, how fast they are written and read, and how
// long an announcement takes to the last of a thousand that listen.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'

const [root = '', amount = '10000'] = process.argv.slice(2)
const COMPUTERS = Number(amount)
const LISTENERS = 1_000
const ROUNDS = 11
const PORT = 17_379
const STREAM = 'deployment:version_available'

const folder = mkdtempSync(join(tmpdir(), 'telec-fleet-'))
const server = spawn(
  'redis-server',
  ['--port', String(PORT), '--bind', '127.0.0.1', '--save', '', '--dir', folder, '--maxclients', '20000'],
  { stdio: 'ignore' },
)
const client = new Redis({ port: PORT, host: '127.0.0.1', protocol: 2 })
client.on('error', () => undefined) // until it listens
try {
  await untilUp()
  const before = await memory()
  const writeMs = await writeStatuses()
  const bytesEach = ((await memory()) - before) / COMPUTERS
  const readMs = readFleet()
  const nudgeMs = await nudge()
  console.log(
    [
      `statuses written, ${COMPUTERS} computers         ${(COMPUTERS / (writeMs / 1000)).toFixed(0).padStart(8)} a second, over one connection`,
      `Redis' memory                            ${bytesEach.toFixed(0).padStart(8)} bytes a computer`,
      `telec status --fleet --json              ${readMs.toFixed(0).padStart(8)} ms, the whole program (median of ${ROUNDS})`,
      `an announcement to the last of ${LISTENERS}      ${nudgeMs.toFixed(0).padStart(8)} ms`,
    ].join('\n'),
  )
} finally {
  client.disconnect()
  server.kill()
  rmSync(folder, { recursive: true, force: true })
}

async function untilUp(): Promise<void> {
  for (;;) {
    if ((await client.ping().catch(() => null)) === 'PONG') return
    await delay(50)
  }
}

async function memory(): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1])
}

/** As each computer does: its status, and that it was heard of. */
async function writeStatuses(): Promise<number> {
  const begin = performance.now()
  const timestamp = Math.floor(Date.now() / 1000)
  for (let from = 0; from < COMPUTERS; from += 1_000) {
    const pipeline = client.pipeline()
    for (let index = from; index < Math.min(COMPUTERS, from + 1_000); index += 1) {
      const computer = `computer-${index}.example.org`
      const status = {
        computer,
        status: index % 100 === 0 ? 'update_failed' : 'updated',
        timestamp,
        channel: 'stable',
        from: '1.4.1',
        version: `1.4.${index % 5}`,
        commit: index.toString(16).padStart(40, '0'),
        step: 'done',
        error: index % 100 === 0 ? 'migration 1.4.2/003_split_config.ts migrate() failed' : null,
        migration: null,
        duration_ms: 5_321,
        telec: '0.1.0',
      }
      pipeline.set(`system_status:${computer}:deploy`, JSON.stringify(status))
      pipeline.zadd('system_status:computers', String(timestamp), computer)
    }
    await pipeline.exec()
  }
  return performance.now() - begin
}

function readFleet(): number {
  execFileSync('git', ['init', '--quiet', join(folder, 'app')])
  mkdirSync(join(folder, 'home'))
  writeFileSync(
    join(folder, 'home/config.yml'),
    `deployment:\n  checkout: ${join(folder, 'app')}\nredis:\n  url: redis://127.0.0.1:${PORT}\n`,
  )
  const env = { ...process.env, TELEC_HOME: join(folder, 'home') }
  const times = Array.from({ length: ROUNDS }, () => {
    const begin = performance.now()
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(root, 'dist/telec'), 'status', '--fleet', '--json'],
      {
        env,
        encoding: 'utf8',
        maxBuffer: 64 * 1024 * 1024,
      },
    )
    const found = status === 0 ? (JSON.parse(stdout) as { computers: unknown[] }).computers.length : 0
    if (found !== COMPUTERS) throw new Error(`telec status --fleet: exit code ${status}, ${found} computers`)
    return performance.now() - begin
  })
  return times.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN
}

/** From the XADD to the last of those that wait for it, all in this one process. */
async function nudge(): Promise<number> {
  const waiting = Array.from(
    { length: LISTENERS },
    () => new Redis({ port: PORT, host: '127.0.0.1', protocol: 2 }),
  )
  await Promise.all(waiting.map((one) => one.ping()))
  const heard = waiting.map((one) => one.xread('BLOCK', 0, 'STREAMS', STREAM, '$'))
  await delay(500) // until all of them block
  const begin = performance.now()
  await client.xadd(STREAM, '*', 'event', '{}')
  await Promise.all(heard)
  const ms = performance.now() - begin
  for (const one of waiting) one.disconnect()
  return ms
}
