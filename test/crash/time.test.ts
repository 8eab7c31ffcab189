import { renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { requireTool } from '../helpers/missing-tool.ts'
import { DIST, type Ended, execute, type ProgramName } from '../helpers/programs.ts'
import { gitAs, gpgSigner, keep, type Signer } from '../helpers/signing.ts'
import { runInjected } from '../helpers/strace.ts'
import { halted } from '../helpers/update.ts'

beforeAll(() => requireTool('faketime', 'faketime'))

const YEAR_H = 365 * 24
/** The clock of the computer, in hours ahead of the true one. Deadlines within a program are not affected. */
const JUMPS: [string, number][] = [
  ['back a year', -YEAR_H],
  ['ahead a year', YEAR_H],
]
const HOUR_MS = 3_600_000
const fakeNow = (hours: number) => Date.now() + hours * HOUR_MS

/** Runs a bundle, and what it starts, with another time of day. */
function at(
  computer: Computer,
  hours: number,
  program: ProgramName,
  args: readonly string[] = [],
): Promise<Ended> {
  const env = { ...computer.env, DONT_FAKE_MONOTONIC: '1' }
  const clock = ['-m', '-f', `${hours >= 0 ? '+' : ''}${hours}h`]
  return execute('faketime', [...clock, process.execPath, join(DIST, program), ...args], { env })
}

/** Takes the remote away, or brings it back. */
function remote(computer: Computer, is: 'away' | 'there'): void {
  const [from, to] = is === 'away' ? ['', '.away'] : ['.away', '']
  renameSync(`${computer.remote}${from}`, `${computer.remote}${to}`)
}

const signal = (computer: Computer) => computer.state('update_signal.json')
const watchState = (computer: Computer) => computer.state('watch_state.json') as Record<string, string>

describe.each(JUMPS)('the clock jumps %s:', (_, jump) => {
  test('polls that gave the remote time continue, once and not in a loop', async () => {
    const computer = await freshComputer()
    remote(computer, 'away')
    for (let failure = 0; failure < 3; failure += 1) await computer.telec('telec-watch')
    const recorded = watchState(computer)
    expect(recorded).toMatchObject({ failures: 3, next_poll_at: expect.any(String) })
    // It asks the remote once and then gives it time by the clock that there is now.
    expect(await at(computer, jump, 'telec-watch', ['--scheduled'])).toMatchObject({ code: 75 })
    expect(watchState(computer)).toMatchObject({ failures: 4 })
    expect(await at(computer, jump, 'telec-watch', ['--scheduled'])).toMatchObject({ code: 75 })
    expect(watchState(computer)).toMatchObject({ failures: 4 })
    remote(computer, 'there')
    const commit = await computer.push(version('1.1.0'))
    expect(await at(computer, jump + 1, 'telec-watch', ['--scheduled'])).toMatchObject({ code: 0 })
    expect(signal(computer)).toMatchObject({ target: { commit } })
    // And back.
    expect(await computer.telec('telec-watch', ['--scheduled'])).toMatchObject({ code: 0 })
    expect(Date.parse(watchState(computer).polled_at ?? '')).toBeLessThanOrEqual(Date.now())
  })

  test('an update that waits for its next try is tried once, and not in a loop', async () => {
    const computer = await freshComputer()
    const commit = await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    remote(computer, 'away')
    expectFailure(await computer.telec('telec-update'), 75, ['is out of reach'])
    expectFailure(await computer.telec('telec-update'), 75, ['waiting until'])
    expectFailure(await at(computer, jump, 'telec-update'), 75, ['is out of reach'])
    expectFailure(await at(computer, jump, 'telec-update'), 75, ['waiting until'])
    expect(halted(computer)).toMatchObject({ attempts: 2 })
    remote(computer, 'there')
    // Back to the true time: the timer wakes any user who watches the signal's path.
    const signalled = () => statSync(join(computer.home, 'update_signal.json')).mtimeMs
    const before = signalled()
    expect(await computer.telec('telec-watch', ['--scheduled'])).toMatchObject({ code: 0 })
    expect(signalled()).not.toBe(before)
    expect(await computer.telec('telec-update')).toMatchObject({ code: 42 })
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit }, halted: null })
  })

  test('a pause for some time lasts no longer than that', async () => {
    const computer = await freshComputer()
    const commit = await computer.push(version('1.1.0'))
    await computer.telec('telec', ['pause', '--for', '2h'])
    expect(await at(computer, jump, 'telec-watch')).toMatchObject({ code: 0 })
    if (jump < 0) {
      expectFailure(await at(computer, jump, 'telec-update'), 75, ['updates are paused'])
      const { until } = computer.state('pause.json') as { until: string }
      expect(Math.abs(Date.parse(until) - fakeNow(jump + 2))).toBeLessThan(HOUR_MS)
    }
    expect(await at(computer, jump + 3, 'telec-update')).toMatchObject({ code: 42 })
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit } })
  })

  test('a release is old enough after its time', async () => {
    const computer = await freshComputer()
    computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  min_age: 2h\n`)
    const commit = await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    expect(watchState(computer)).toMatchObject({ outcome: 'held' })
    await at(computer, jump, 'telec-watch')
    expect(signal(computer) === null).toBe(jump < 0)
    await at(computer, jump + 3, 'telec-watch')
    expect(signal(computer)).toMatchObject({ target: { commit } })
  })

  test('when the last poll was is told by the clock that there is now', async () => {
    const computer = await freshComputer()
    for (let poll = 0; poll < 2; poll += 1) await computer.telec('telec-watch')
    for (let poll = 0; poll < 2; poll += 1) await at(computer, jump, 'telec-watch', ['--scheduled'])
    const { stdout } = await at(computer, jump, 'telec', ['status', '--json'])
    const { polled_at } = (JSON.parse(stdout) as { watch: { polled_at: string } }).watch
    expect(Math.abs(Date.parse(polled_at) - fakeNow(jump))).toBeLessThan(HOUR_MS)
  })

  test('an update continues from where it was left', async () => {
    const computer = await freshComputer({ initArgs: ['--install', 'test -e "$TELEC_HOME/mended"'] })
    const commit = await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    expectFailure(await computer.telec('telec-update'), 1, ['the install command failed'])
    expectFailure(await at(computer, jump, 'telec-update'), 1, ['halted since']) // nothing has changed
    computer.writeState('mended', '')
    expect(await at(computer, jump, 'telec-update', ['--retry'])).toMatchObject({ code: 42 })
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit }, halted: null })
    expect(computer.state('status.json')?.duration_ms).toBeGreaterThanOrEqual(0)
    await computer.push(version('1.2.0'))
    await computer.telec('telec-watch')
    expect(await computer.telec('telec-update')).toMatchObject({ code: 42 })
  })
})

test('the window is that of the time zone which there is now', async () => {
  const computer = await freshComputer()
  const time = (ms: number) => new Date(ms).toISOString().slice(11, 16)
  const window = `${time(Date.now() - HOUR_MS)}-${time(Date.now() + HOUR_MS)}`
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  window: ["${window}"]\n`)
  await computer.push(version('1.1.0'))
  await computer.telec('telec-watch')
  const update = (TZ: string) => computer.telec('telec-update', [], { env: { TZ } })
  expectFailure(await update('Asia/Tokyo'), 75, ['waits for its window'])
  expectFailure(await update('America/Los_Angeles'), 75, ['waits for its window'])
  expect(await update('UTC')).toMatchObject({ code: 42 })
})

test('only failures make the wait for the next try longer, kills do not', async () => {
  const computer = await freshComputer()
  await computer.push(version('1.1.0'))
  await computer.telec('telec-watch')
  const { env } = computer
  for (let kill = 1; kill <= 5; kill += 1) {
    const third = { call: 'rename', occurrence: 3, paths: [], env, alone: true, apart: true }
    const killed = await runInjected('telec-update', [], third)
    expect(killed.signal, killed.stderr).toBe('SIGKILL')
    expect(computer.state('update_state.json')).toMatchObject({ update: { attempts: kill } })
  }
  remote(computer, 'away')
  expectFailure(await computer.telec('telec-update'), 75, ['is out of reach'])
  const { attempts, at: failedAt, next_try_at } = halted(computer) as Record<string, string>
  expect(attempts).toBe(1)
  expect(Date.parse(next_try_at ?? '') - Date.parse(failedAt ?? '')).toBeLessThanOrEqual(36_000)
})

test.each(['signed-commit', 'signed-tag'])(
  'while the clock is behind what is signed, %s waits; then it is taken without a person',
  async (verify) => {
    const computer = await freshComputer()
    const ann = await gpgSigner('ann')
    const keyring = keep(computer, 'keys.asc', await ann.exported())
    const channel = verify === 'signed-tag' ? 'beta' : 'alpha'
    const settings = { checkout: computer.checkout, channel, verify, keyring }
    const lines = Object.entries(settings).map(([key, value]) => `  ${key}: ${value}\n`)
    computer.writeConfig(`deployment:\n${lines.join('')}`)
    await computer.telec('telec-watch')
    const commit = await pushSigned(computer, ann)
    expect(await at(computer, -50 * YEAR_H, 'telec-watch')).toMatchObject({ code: 0 })
    const behind = ['cannot check the signature of', 'the clock of this computer is slow', 'timedatectl']
    expectFailure(await at(computer, -50 * YEAR_H, 'telec-update'), 75, behind)
    expect(halted(computer)).toMatchObject({ step: 'verify', transient: true })
    expect(await computer.telec('telec-watch')).toMatchObject({ code: 0 })
    expect(await computer.telec('telec-update')).toMatchObject({ code: 42 })
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit }, halted: null })
  },
)

/** Pushes version 1.1.0 with its tag, both signed. */
async function pushSigned(computer: Computer, signer: Signer): Promise<string> {
  writeFileSync(join(computer.folder, 'work/package.json'), JSON.stringify({ name: 'web', version: '1.1.0' }))
  await gitAs(computer, signer, ['commit', '--quiet', '--all', '--gpg-sign', '--message', 'version 1.1.0'])
  await gitAs(computer, signer, ['tag', '--sign', '--message', '1.1.0', 'v1.1.0'])
  await gitAs(computer, null, ['push', '--quiet', 'origin', 'HEAD:main', 'refs/tags/v1.1.0'])
  return gitAs(computer, null, ['rev-parse', 'HEAD'])
}
