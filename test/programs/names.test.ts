import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { DIST, type Ended, succeed } from '../helpers/programs.ts'
import { startRedis } from '../helpers/redis.ts'
import { inTerminal, KEY } from '../helpers/terminal.ts'

/** A checkout of the remote beside the first one. */
async function clone(computer: Computer, name: string): Promise<string> {
  const path = join(computer.folder, name)
  await succeed('git', ['clone', '--quiet', computer.remote, path])
  return path
}

const homeOf = (computer: Computer, name: string) => join(computer.home, 'services', name)

function stateOf(computer: Computer, name: string, file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(homeOf(computer, name), file), 'utf8')) as Record<string, unknown>
}

/** A computer with the service without a name, and one named `worker`. */
async function withWorker(): Promise<Computer> {
  const computer = await freshComputer()
  const checkout = await clone(computer, 'worker')
  const ended = await computer.telec('telec', ['init', '--name', 'worker', '--checkout', checkout])
  expect(ended).toMatchObject({ code: 0 })
  const next = existsSync('/run/systemd/system')
    ? 'telec install worker'
    : 'telec run --name worker -- COMMAND'
  expect(ended.stdout).toMatch(new RegExp(`^next: ${next}$`, 'm'))
  return computer
}

test('a named service has a home of its own, and is another computer to others', async () => {
  const computer = await withWorker()
  const { stdout } = await computer.telec('telec', ['status', 'worker', '--json'])
  expect(JSON.parse(stdout)).toMatchObject({ name: 'worker', computer: `${hostname()}/worker` })
  expect(stateOf(computer, 'worker', 'update_state.json')).toMatchObject({ halted: null })
})

test('each way to say which service is meant leads to it', async () => {
  const computer = await withWorker()
  const commit = await computer.push(version('1.1.0'))
  const env = { TELEC_NAME: 'worker' }
  const home = { TELEC_HOME: homeOf(computer, 'worker') }
  const ways: [string, readonly string[], NodeJS.ProcessEnv][] = [
    ['telec', ['status', 'worker', '--json'], {}],
    ['telec', ['status', '--name', 'worker', '--json'], {}],
    ['telec', ['--name=worker', 'status', '--json'], {}],
    ['telec', ['status', '--json'], env],
    ['telec', ['status', '--json'], home],
    ['telec', ['status', '--json', '-n', 'worker'], { TELEC_NAME: '-' }],
  ]
  for (const [, args, more] of ways) {
    const ended = await computer.telec('telec', args, { env: more })
    expect(JSON.parse(ended.stdout), args.join(' ')).toMatchObject({ name: 'worker' })
  }
  expect(await computer.telec('telec-watch', ['-n', 'worker'])).toMatchObject({ code: 0 })
  expect(await computer.telec('telec-update', ['worker'])).toMatchObject({ code: 42 })
  expect(stateOf(computer, 'worker', 'update_state.json')).toMatchObject({ deployed: { commit } })
  expect(computer.state('update_state.json')).toMatchObject({ deployed: { version: '1.0.0' } })
  const { stdout } = await computer.telec('telec', ['status', '-', '--json'])
  expect(JSON.parse(stdout)).toMatchObject({ name: null, deployed: { version: '1.0.0' } })
})

test('where several are there, those that take one list them and exit 2', async () => {
  const computer = await withWorker()
  const calls: [Parameters<Computer['telec']>[0], readonly string[]][] = [
    ['telec-watch', []],
    ['telec-watch', ['--scheduled']],
    ['telec-update', []],
    ['telec-migrate', ['status']],
    ['telec', ['history']],
    ['telec', ['metrics']],
    ['telec', ['pause']],
    ['telec', ['pin', '1.0.0']],
    ['telec', ['hold', '1.0.0']],
    ['telec', ['install', '--print']],
    ['telec', ['uninstall']],
  ]
  for (const [program, args] of calls)
    expectFailure(await computer.telec(program, args), 2, ['-, worker', '--name NAME'])
  expectFailure(await computer.telec('telec', ['history', 'nobody']), 2, ['nobody', '-, worker'])
  expectFailure(await computer.telec('telec', ['history', '-n', 'worker', '-']), 2, ['worker'])
  expect(await computer.telec('telec', ['history', '../worker'])).toMatchObject({ code: 2 })
  expect(await computer.telec('telec', ['history'], { env: { TELEC_NAME: '..' } })).toMatchObject({ code: 2 })
})

test('each command that is named to a user means the service that they asked for', async () => {
  const computer = await withWorker()
  const said = async (...words: string[]) => {
    const { stdout, stderr } = await computer.telec('telec', words)
    return stdout + stderr
  }
  /** All that is to be typed, to the end of the line or of the words that belong to it. */
  const typed = (text: string) => text.match(/(?<=: |\(|then )telec\b[^;,()\n]*/g) ?? []
  const commit = await computer.push(version('1.1.0'))
  const each = [
    await said('pause', 'worker', '--for', '2h'),
    await said('status', 'worker'),
    await said('update', 'worker'),
    await said('resume', 'worker'),
    await said('hold', '-n', 'worker', commit),
    await said('pin', commit, 'worker'),
    await said('status', '-n', 'worker'),
    await said('watch', 'worker', '--explain'),
    await said('unhold', commit, 'worker'),
    await said('pin', commit, 'worker'),
  ]
  const commands = each.flatMap(typed)
  expect(commands).toContain('telec resume --name worker')
  expect(commands).toContain(`telec unhold --name worker ${commit.slice(0, 12)}`)
  expect(commands.filter((command) => !command.includes(' --name worker'))).toEqual([])
  const { stdout } = await computer.telec('telec', ['pause', '--user', '--name', '-'])
  expect(stdout).toBe('paused until you run telec resume --name - --user\n')
})

test('the only one needs no name, also where it has one', async () => {
  const computer = await freshComputer({ init: false })
  await computer.telec('telec', ['init', '--name', 'web', '--checkout', computer.checkout])
  expect(await computer.telec('telec-watch')).toMatchObject({ code: 0 })
  expect(stateOf(computer, 'web', 'watch_state.json')).toMatchObject({ outcome: 'current' })
})

test('a poll that a shell could answer is not answered for another service', async () => {
  const computer = await withWorker()
  const poll = (env: NodeJS.ProcessEnv) =>
    succeed(join(DIST, 'telec-watch'), [], { env: { ...computer.env, ...env } })
  await poll({ TELEC_NAME: '-' })
  expect(readFileSync(join(computer.home, 'quiet'), 'utf8')).not.toBe('')
  await poll({ TELEC_NAME: 'worker' })
  expect(stateOf(computer, 'worker', 'watch_state.json')).toMatchObject({ outcome: 'current' })
  await expect(poll({})).rejects.toThrow('this computer has 2 services')
  await poll({ TELEC_NAME: '-', TELEC_NODE: '/bin/false' })
})

test('status and doctor without a name show all, one that cannot be read among them', async () => {
  const computer = await withWorker()
  await computer.telec('telec', ['pause', 'worker'])
  mkdirSync(homeOf(computer, 'broken'), { mode: 0o700 })
  writeFileSync(join(homeOf(computer, 'broken'), 'config.yml'), 'deployment:\n  nonsense: 1\n')
  const shown = await computer.telec('telec', ['status'])
  expect(shown.code).toBe(78)
  const [headings, ...rows] = shown.stdout.split('\n')
  expect(headings).toMatch(/^NAME +CHANNEL +DEPLOYED +STATE +SINCE$/)
  expect(rows[0]).toMatch(/^- +alpha +1\.0\.0 \(\w+\) +not polled/)
  expect(rows[1]).toMatch(/^broken +- +- +unknown +-$/)
  expect(rows[2]).toMatch(/^worker +alpha +1\.0\.0/)
  expect(shown.stdout).toMatch(/^broken: .*nonsense.*\(telec status broken\)$/m)
  const asData = await computer.telec('telec', ['status', '--json'])
  expect(JSON.parse(asData.stdout)).toMatchObject([
    { name: null, deployed: { version: '1.0.0' } },
    { name: 'broken', error: { kind: 'config' } },
    { name: 'worker', pause: { until: null } },
  ])
  const doctor = await computer.telec('telec', ['doctor'])
  expect(doctor.code).toBe(1)
  expect(doctor.stdout).toMatch(/^-:\n✓ config [\s\S]*^broken:\n✗ config [\s\S]*^worker:\n✓ config /m)
  const findings = JSON.parse((await computer.telec('telec', ['doctor', '--json'])).stdout) as {
    service: string
    check: string
  }[]
  expect(findings.filter(({ check }) => check === 'config').map(({ service }) => service)).toEqual([
    '-',
    'broken',
    'worker',
  ])
})

test('Redis, the fleet and metrics know a named service by its name', async () => {
  const redis = await startRedis()
  const computer = await withWorker()
  const config = join(homeOf(computer, 'worker'), 'config.yml')
  writeFileSync(
    config,
    `computer: studio\nredis:\n  url: ${redis.url}\n${readFileSync(config, 'utf8')}metrics: ${computer.folder}/worker.prom\n`,
  )
  await computer.telec('telec-watch', ['-n', 'worker'])
  const text = await redis.client().get('system_status:studio/worker:deploy')
  expect(JSON.parse(text ?? 'null')).toMatchObject({ computer: 'studio/worker', version: '1.0.0' })
  await redis.client().zadd('system_status:computers', '1', 'studio/a/b', '1', 'studio/')
  const fleet = await computer.telec('telec', ['status', '--fleet'])
  expect(fleet.stdout).toContain('studio/worker  alpha')
  expect(fleet.stdout).toContain('1 computer: ')
  const metrics = readFileSync(join(computer.folder, 'worker.prom'), 'utf8')
  expect(metrics).toContain('telec_halted{name="worker"} 0\n')
  expect(metrics).toContain('telec_deployed_info{name="worker",computer="studio/worker",channel="alpha"')
})

const settled = (ended: Ended) => `${ended.code} ${ended.stderr}`

test('telec init refuses a checkout and a unit that another service has', async () => {
  const computer = await freshComputer({ initArgs: ['--service', 'web.service'] })
  const init = (...args: string[]) => computer.telec('telec', ['init', '--name', 'worker', ...args])
  expectFailure(await init('--checkout', computer.checkout), 78, [
    `${computer.checkout} is the checkout of another service: ${computer.home}`,
  ])
  const other = await clone(computer, 'worker')
  expectFailure(await init('--checkout', other, '--service', 'web'), 78, [
    'web is restarted by another service',
  ])
  expect(settled(await init('--checkout', other, '--service', 'web', '--scope', 'system'))).toMatch(/^0 /)
})

test('telec init proposes the differing values, and copies those of the computer', async () => {
  const computer = await freshComputer({ initArgs: ['--computer', 'studio', '--service', 'web.service'] })
  const checkout = await clone(computer, 'worker')
  const ended = await inTerminal(
    [
      ['Which git checkout', `${checkout}${KEY.enter}`],
      ['What should this computer follow', KEY.enter],
      ['What installs', KEY.enter],
      ['worker.service', KEY.enter],
    ],
    [process.execPath, join(DIST, 'telec'), 'init', '--name', 'worker'],
    { cwd: computer.checkout, env: { ...computer.env, TERM: 'xterm' } },
  )
  expect(ended.code, ended.stdout).toBe(0)
  const text = readFileSync(join(homeOf(computer, 'worker'), 'config.yml'), 'utf8')
  expect(text).toMatch(/^computer: studio /m)
  expect(text).toMatch(/^ {2}name: worker\.service /m)
})

test('beside units of an older telec, which do not say whose they are, none is added', async () => {
  const computer = await freshComputer()
  const unit = join(computer.folder, 'telec-update.service')
  computer.writeState(
    'installed.json',
    JSON.stringify({ manager: 'systemd', scope: 'user', files: [unit], folders: [] }),
  )
  writeFileSync(unit, `[Service]\nEnvironment=TELEC_HOME=${computer.home} HOME=/root\n`)
  const init = ['init', '--name', 'worker', '--checkout', await clone(computer, 'worker')]
  expectFailure(await computer.telec('telec', init), 78, ['of an older telec', 'telec install'])
  writeFileSync(unit, `[Service]\nEnvironment=TELEC_HOME=${computer.home} TELEC_NAME=- HOME=/root\n`)
  expect(settled(await computer.telec('telec', init))).toMatch(/^0 /)
})
