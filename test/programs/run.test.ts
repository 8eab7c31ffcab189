import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { requireTool } from '../helpers/missing-tool.ts'
import { DIST } from '../helpers/programs.ts'
import { telecRun } from '../helpers/supervised.ts'
import { until } from '../helpers/until.ts'
import { watchAndUpdate } from '../helpers/update.ts'

const NODE = process.execPath

/** A service that says what it gets, and exits with 7 when it is asked to. */
const SAYING = `const { appendFileSync } = require('node:fs')
const say = (text) => appendFileSync(process.env.TELEC_HOME + '/said', text + '\\n')
for (const name of ['SIGUSR1', 'SIGWINCH', 'SIGTERM', 'SIGINT'])
  process.on(name, () => { say(name); if (name === 'SIGTERM' || name === 'SIGINT') process.exit(7) })
say('up ' + process.env.TELEC_SUPERVISED)
setInterval(() => {}, 1000)
`

async function running(code: string): Promise<{ computer: Computer; said(): string }> {
  const computer = await freshComputer()
  await computer.push({ 'server.js': code })
  await watchAndUpdate(computer)
  const file = join(computer.home, 'said')
  return { computer, said: () => (existsSync(file) ? readFileSync(file, 'utf8') : '') }
}

const configure = (computer: Computer, more = '') =>
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  poll_every: 5s\n${more}`)

describe('as the first process of a container', () => {
  /** Two orphans, one of which ends at once; they are reaped when /proc no longer has them. */
  const ORPHANING = `${SAYING}const { execSync } = require('node:child_process')
const pid = execSync('sh -c "sleep 0.2 >/dev/null 2>&1 & echo \\\\$!"', { encoding: 'utf8' }).trim()
const { existsSync } = require('node:fs')
const look = setInterval(() => { if (!existsSync('/proc/' + pid)) { say('reaped'); clearInterval(look) } }, 50)
`

  test.each([['sh'], ['bash'], ['busybox', 'sh']])(
    "%s %s: orphans are reaped, signals passed on, the exit code is the service's",
    async (...shell) => {
      requireTool(shell[0] ?? '', shell[0] ?? '')
      const { computer, said } = await running(ORPHANING)
      const command = [...shell, join(DIST, 'telec'), 'run', '--', NODE, 'server.js']
      const child = spawn('unshare', ['--pid', '--fork', '--mount-proc', '--kill-child', ...command], {
        cwd: computer.checkout,
        env: computer.env,
        stdio: ['ignore', 'inherit', 'inherit'],
      })
      onTestFinished(() => void child.kill('SIGKILL'))
      await until('the orphan to be reaped', async () => said().includes('reaped'))
      const exit = once(child, 'exit')
      // unshare's child is process 1 of the namespace.
      const [init = ''] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
        .trim()
        .split(' ')
      process.kill(Number(init), 'SIGUSR1')
      await until('the signal', async () => said().includes('SIGUSR1'))
      process.kill(Number(init), 'SIGTERM')
      expect((await exit)[0]).toBe(7)
      expect(said()).toBe('up 1\nreaped\nSIGUSR1\nSIGTERM\n')
    },
  )
})

test('signals are for the service; TERM ends both, and its exit code is that of the service', async () => {
  const { computer, said } = await running(SAYING)
  const supervised = await telecRun(computer, [NODE, 'server.js'])
  await until('the service to listen', async () => said().includes('up 1')) // the first poll may be sooner
  for (const signal of ['SIGUSR1', 'SIGWINCH'] as const) {
    supervised.process.kill(signal)
    await until('the signal', async () => said().includes(signal))
  }
  expect(await supervised.stop()).toBe(7)
  expect(said()).toBe('up 1\nSIGUSR1\nSIGWINCH\nSIGTERM\n')
})

test('who asks twice does not wait for a service that takes its time', async () => {
  const { computer, said } = await running(SAYING.replace('process.exit(7)', '{}'))
  const supervised = await telecRun(computer, [NODE, 'server.js'])
  await until('the service to listen', async () => said().includes('up 1'))
  const exit = once(supervised.process, 'exit')
  supervised.process.kill('SIGTERM')
  await new Promise((resolve) => setTimeout(resolve, 700)) // two presses, not one that comes twice
  supervised.process.kill('SIGTERM')
  expect((await exit)[0]).toBe(128 + 9)
})

test('a service that exits with 0 ends telec run', async () => {
  const { computer } = await running(
    "const end = process.env.TELEC_HOME + '/end'; require('node:fs').watchFile(end, { interval: 50 }, (now) => { if (now.mtimeMs > 0) process.exit(0) })\n",
  )
  const supervised = await telecRun(computer, [NODE, 'server.js'])
  const exit = once(supervised.process, 'exit')
  writeFileSync(join(computer.home, 'end'), '')
  expect((await exit)[0]).toBe(0)
})

test('one that exits with 42 over and over is held back, and fixed by a push, which does not wait', async () => {
  const { computer, said } = await running(
    "require('node:fs').appendFileSync(process.env.TELEC_HOME + '/said', '.'); process.exit(42)\n",
  )
  configure(computer)
  const supervised = await telecRun(computer, [NODE, 'server.js'])
  await until('a back-off of seconds', async () => supervised.output().includes('restarts in 3200 ms'))
  const commit = await computer.push({ ...version('1.1.0'), 'server.js': SAYING })
  await until(
    'the update',
    async () =>
      (computer.state('update_state.json') as { deployed: { commit: string } }).deployed.commit === commit,
  )
  const waits = [...supervised.output().matchAll(/it restarts in (\d+) ms/g)].map(([, ms]) => Number(ms))
  expect(waits).toEqual(waits.map((_, index) => Math.min(100 * 2 ** index, 30_000)))
  // Where a wait ended between the checkout and the restart, the new code was up before it was asked for.
  expect(said()).toMatch(new RegExp(`^\\.{${waits.length}}(up 1\nSIGTERM\n)?up 1\n$`))
  await supervised.stop()
})

test('the service that a killed telec run left behind is ended before the next one starts its own', async () => {
  const { computer } = await running(SAYING)
  const first = await telecRun(computer, [NODE, 'server.js'])
  const left = first.mainPid() ?? 0
  const exit = once(first.process, 'exit')
  first.process.kill('SIGKILL')
  await exit
  process.kill(left, 0)
  const second = await telecRun(computer, [NODE, 'server.js'])
  expect(second.output()).toContain(`ending the service of an earlier telec run (pid ${left})`)
  // The process that adopts orphans here may not have reaped it yet.
  expect(existsSync(`/proc/${left}`) ? readFileSync(`/proc/${left}/cmdline`, 'utf8') : '').toBe('')
  expect(second.mainPid()).not.toBe(left)
  await second.stop()
})

test('several units are no matter to it: its one command is restarted, once', async () => {
  const { computer } = await running(SAYING.replace('exit(7)', 'exit(42)'))
  configure(computer, 'service:\n  name: [web.service, worker.service]\n  healthy_after: 0s\n')
  const supervised = await telecRun(computer, [NODE, 'server.js'])
  const before = supervised.mainPid()
  const commit = await computer.push(version('1.1.0'))
  const state = () =>
    computer.state('update_state.json') as {
      deployed: { commit: string }
      last: { steps: { name: string; note: string }[] }
    }
  await until('the update', async () => state().deployed.commit === commit)
  const restarted = state().last.steps.find(({ name }) => name === 'restart')
  const main = supervised.mainPid()
  expect(restarted?.note).toMatch(new RegExp(`^old pid ${before} exited \\(exit code 42\\), new pid ${main}`))
  const { stdout } = await computer.telec('telec', ['status'])
  expect(stdout).toContain(`the service is running, pid ${main} (telec run)\n`)
  await supervised.stop()
})

test('telec doctor knows it, also where telec restarts nothing', async () => {
  const { computer } = await running(SAYING)
  configure(computer, 'service:\n  name: web.service\n  restart: none\n')
  const supervised = await telecRun(computer, [NODE, 'server.js'])
  const { stdout } = await computer.telec('telec', ['doctor'])
  expect(stdout).toContain('manager   telec run\n')
  await supervised.stop()
})

test('telec pause and telec update --retry work beside it', async () => {
  const { computer } = await running(SAYING)
  configure(computer)
  const supervised = await telecRun(computer, [NODE, 'server.js'])
  await computer.telec('telec', ['pause'])
  const commit = await computer.push({
    ...version('1.1.0'),
    'server.js': SAYING.replace('exit(7)', 'exit(42)'),
  })
  await until('the signal', async () => computer.state('update_signal.json') !== null)
  await computer.telec('telec', ['resume'])
  const deployed = async () =>
    (computer.state('update_state.json') as { deployed: { commit: string } }).deployed.commit === commit
  await until('the update', deployed)
  expect(supervised.output()).toContain('exit code 7')
  writeFileSync(join(computer.home, 'said'), '')
  await supervised.stop()
})

test('a command that is missing is said to be', async () => {
  const computer = await freshComputer()
  const { code, stderr } = await computer.telec('telec', ['run', '--', '/nonexistent'])
  expect(code).toBe(2)
  expect(stderr).toContain('cannot start /nonexistent')
})
