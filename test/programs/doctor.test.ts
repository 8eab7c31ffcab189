import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, markerMigration, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { succeed } from '../helpers/programs.ts'
import { runInjected } from '../helpers/strace.ts'
import { telecRun } from '../helpers/supervised.ts'
import { readTree } from '../helpers/tree.ts'
import { until } from '../helpers/until.ts'
import { watchAndUpdate } from '../helpers/update.ts'

interface Finding {
  readonly check: string
  readonly ok: boolean
  readonly message: string
  readonly because: string | null
  readonly hint: string | null
}

async function diagnose(computer: Computer, env: NodeJS.ProcessEnv = {}) {
  const { code, stdout, stderr } = await computer.telec('telec', ['doctor', '--json'], { env })
  expect(stderr).toBe('')
  const findings = JSON.parse(stdout) as Finding[]
  expect(code).toBe(findings.every(({ ok }) => ok) ? 0 : 1)
  return new Map(findings.map((finding) => [finding.check, finding]))
}

test('a computer under telec run is well, a line each, and nothing is changed', async () => {
  const computer = await freshComputer()
  const supervised = await telecRun(computer, [process.execPath, 'server.js'])
  await until('the poll to be over', async () => existsSync(join(computer.home, 'quiet')))
  const before = readTree(computer.home)
  const { code, stdout, stderr } = await computer.telec('telec', ['doctor'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(0, 11).trimEnd()),
  ).toEqual(
    [
      'config',
      'telec',
      'node',
      'git',
      'home',
      'state',
      'disk',
      'clock',
      'checkout',
      'remote',
      'signers',
      'update',
      'install',
      'health',
      'on_status',
      'manager',
      'units',
      'runs',
      'polling',
      'service',
      'redis',
    ].map((name) => `✓ ${name}`),
  )
  expect(stdout).toMatch(/^✓ remote {4}origin answers in \d\.\d s: main$/m)
  expect(stdout).toMatch(/^✓ service {3}.* is running, pid \d+ \(telec run\)$/m)
  expect(readTree(computer.home)).toEqual(before)
  await supervised.stop()
})

describe('each fault is said, with what to do', () => {
  const CASES: [string, string, (computer: Computer) => unknown, RegExp, RegExp][] = [
    [
      'no configuration',
      'config',
      ({ home }) => rmSync(join(home, 'config.yml')),
      /no configuration/,
      /telec init/,
    ],
    [
      'a wrong configuration',
      'config',
      (computer) => computer.writeConfig('deployment:\n  channel: gamma\n'),
      /config\.yml:\d+: the configuration is invalid/,
      /edit/,
    ],
    ['nothing that starts telec', 'manager', () => undefined, /nothing starts telec/, /telec install/],
    [
      'a home that others can read',
      'home',
      ({ home }) => chmodSync(home, 0o755),
      /open to others \(mode 755\)/,
      /chmod 700/,
    ],
    [
      'a state file that cannot be read',
      'state',
      (computer) => computer.writeState('migration_state.json', '{'),
      /migration_state\.json cannot be understood/,
      /./,
    ],
    [
      'a remote that is gone',
      'remote',
      ({ remote }) => rmSync(remote, { recursive: true }),
      /origin is out of reach/,
      /ls-remote/,
    ],
    [
      'a branch that is not there',
      'remote',
      (computer) => computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  branch: trunk\n`),
      /origin: the remote has no branch trunk; its default branch is main/,
      /deployment\.branch: main/,
    ],
    [
      'a checkout that is gone',
      'checkout',
      ({ checkout }) => rmSync(checkout, { recursive: true }),
      /is not a folder/,
      /git clone/,
    ],
    [
      'the lock of a git that was killed',
      'checkout',
      ({ checkout }) => {
        const path = join(checkout, '.git/index.lock')
        writeFileSync(path, '')
        return import('node:fs').then(({ utimesSync }) => utimesSync(path, 0, 0))
      },
      /index\.lock/,
      /telec repair/,
    ],
    [
      'a clock that lags behind',
      'clock',
      ({ checkout, env }) =>
        succeed(
          'git',
          [
            '-c',
            'user.name=A',
            '-c',
            'user.email=a@b',
            'commit',
            '--quiet',
            '--allow-empty',
            '--message',
            'x',
          ],
          {
            cwd: checkout,
            env: { ...env, GIT_COMMITTER_DATE: '2090-01-01T00:00:00Z' },
          },
        ),
      /the clock is wrong/,
      /timedatectl/,
    ],
  ]

  test.each(CASES)('%s', async (_, check, spoil, message, hint) => {
    const computer = await freshComputer()
    await computer.telec('telec-watch')
    await spoil(computer)
    const finding = (await diagnose(computer)).get(check)
    expect(finding).toMatchObject({ ok: false, message: expect.stringMatching(message) })
    expect(finding?.hint).toMatch(hint)
  })

  test('an update that halted', async () => {
    const computer = await freshComputer()
    const failing = markerMigration('1.1.0', '001_fails.mjs')
    const [path = '', text = ''] = Object.entries(failing)[0] ?? []
    await computer.push({ ...version('1.1.0'), [path]: text.replace('return true', 'return false') })
    await watchAndUpdate(computer)
    const finding = (await diagnose(computer)).get('update')
    expect(finding?.message).toMatch(
      /^the update to 1\.1\.0 .* halted at migrate: migration 1\.1\.0\/001_fails\.mjs/,
    )
    expect(finding?.hint).toContain('telec-update --retry')
  })

  test('a limit that lets no program start', async () => {
    const { env } = await freshComputer()
    const injection = { call: 'clone', occurrence: 1, effect: 'error=EAGAIN', paths: [], env, alone: true }
    const ended = await runInjected('telec-watch', [], injection)
    expectFailure(ended, 75, ['cannot start ', 'EAGAIN', 'check the limits of processes'])
    expect(ended.stderr).not.toContain('install ')
  })

  test('a git that is too old, or none', async () => {
    const computer = await freshComputer()
    const folder = join(computer.folder, 'old')
    mkdirSync(folder)
    writeFileSync(join(folder, 'git'), '#!/bin/sh\necho git version 2.11.0\n', { mode: 0o755 })
    const finding = (await diagnose(computer, { PATH: `${folder}:/usr/bin:/bin` })).get('git')
    expect(finding).toMatchObject({ ok: false, message: 'git 2.11.0 is too old' })
    rmSync(join(folder, 'git'))
    for (const program of ['node', 'flock'])
      symlinkSync((await succeed('which', [program])).trim(), join(folder, program))
    const without = [...(await diagnose(computer, { PATH: folder })).values()].filter(({ ok }) => !ok)
    expect(without.map(({ check }) => check)).toEqual(['git', 'manager'])
    expect(without[0]?.hint).toContain('install the package git (apt-get install git')
    const env = { PATH: folder }
    expectFailure(await computer.telec('telec-watch', [], { env }), 1, [
      'cannot start git',
      'the package git',
    ])
    writeFileSync(join(folder, 'git'), '')
    const closed = await computer.telec('telec-watch', [], { env })
    expectFailure(closed, 1, ['cannot start git', 'spawn git EACCES', 'let this user execute git (chmod +x)'])
    expect(closed.stderr).not.toContain('install the package')
    rmSync(join(folder, 'git'))
    rmSync(computer.checkout, { recursive: true })
    const both = [...(await diagnose(computer, { PATH: folder })).values()].filter(({ ok }) => !ok)
    expect(both.map(({ check }) => check)).toEqual(['git', 'checkout', 'manager'])
  })
})
