import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { DIST } from '../helpers/programs.ts'
import { startRedis } from '../helpers/redis.ts'
import { inTerminal, KEY } from '../helpers/terminal.ts'
import { until } from '../helpers/until.ts'
import { watchAndUpdate } from '../helpers/update.ts'

function follow(computer: Computer, ...args: string[]): () => string {
  const child = spawn(process.execPath, [join(DIST, 'telec'), 'status', '--watch', ...args], {
    env: computer.env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill())
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  return () => output
}

test('telec status --watch --json prints a line for each state, and none where nothing changes', async () => {
  const computer = await freshComputer()
  await computer.telec('telec-watch')
  const output = follow(computer, '--json')
  const states = () =>
    output()
      .trimEnd()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  await until('the first state', async () => states().length === 1)
  const commit = await computer.push(version('1.1.0'))
  await computer.telec('telec-watch')
  await until('the signal to be shown', async () => states().at(-1).signal?.target.commit === commit)
  await computer.telec('telec-update')
  await until(
    'the end to be shown',
    async () => states().at(-1).deployed.commit === commit && states().at(-1).signal === null,
  )
  const lines = output().trimEnd().split('\n')
  expect(new Set(lines.map((line) => JSON.stringify({ ...JSON.parse(line), next_poll_at: null }))).size).toBe(
    lines.length,
  )
})

test('telec status --fleet --watch keeps one connection to Redis, and opens another one after a fault', async () => {
  const redis = await startRedis()
  const client = redis.client()
  const computer = await freshComputer()
  computer.writeConfig(
    `computer: studio\ndeployment:\n  checkout: ${computer.checkout}\nredis:\n  url: ${redis.url}\n`,
  )
  const output = follow(computer, '--fleet', '--json')
  const reported = async (name: string) => {
    await client.zadd('system_status:computers', String(Math.floor(Date.now() / 1000)), name)
    await until(`${name} to be shown`, async () => output().includes(`"${name}"`))
  }
  const connections = async () =>
    Number(/^total_connections_received:(\d+)/m.exec(await client.info('stats'))?.[1])
  await reported('attic')
  const before = await connections()
  await reported('cellar')
  await reported('shed')
  expect(await connections()).toBe(before)
  await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await reported('garage')
  expect(await connections()).toBe(before + 1)
})

test('in a terminal it is drawn again, until Ctrl-C', async () => {
  const computer = await freshComputer()
  await computer.push(version('1.1.0'))
  await watchAndUpdate(computer)
  const { stdout } = await inTerminal(
    [
      ['computer', ''],
      ['\u001b[H\u001b[J', KEY.interrupt],
    ],
    [process.execPath, join(DIST, 'telec'), 'status', '--watch'],
    { env: computer.env },
  )
  expect(stdout).toContain('\u001b[H\u001b[Jcomputer')
  expect(stdout).toMatch(/deployed +1\.1\.0/)
})
