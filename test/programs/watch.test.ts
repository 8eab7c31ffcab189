import { rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { DIST, execute } from '../helpers/programs.ts'
import { mode, readTree } from '../helpers/tree.ts'

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const BETA = ['--channel', 'beta']
const STABLE = ['--channel', 'stable', '--pinned-minor', '1.2']

describe('telec-watch on alpha', () => {
  test('asks for the commit that was pushed, by a signal with nothing more and nothing less in it', async () => {
    const computer = await freshComputer()
    const deployed = await computer.gitInCheckout('rev-parse', 'HEAD')
    const commit = await computer.push(version('1.1.0'))
    expect((await computer.telec('telec-watch')).code).toBe(0)
    expect(computer.state('update_signal.json')).toEqual({
      channel: 'alpha',
      from: { version: '1.0.0', commit: deployed },
      target: { version: null, ref: 'refs/heads/main', commit },
      detected_at: expect.stringMatching(ISO_TIME),
      source: 'telec-watch',
    })
  })

  test.each<[string, readonly string[], NodeJS.ProcessEnv, RegExp]>([
    ['', [], {}, /^new version: .*\n$/],
    ['-q', ['-q'], {}, /^$/],
    ['--quiet, to whom TELEC_DEBUG is nothing', ['--quiet'], { TELEC_DEBUG: '1' }, /^$/],
    // biome-ignore lint/suspicious/noControlCharactersInRegex: ECMA-48
    ['FORCE_COLOR', [], { FORCE_COLOR: '1' }, /^\u001b\[1mnew version: .*\u001b\[0m\n$/],
    ['FORCE_COLOR=0', [], { FORCE_COLOR: '0' }, /^new version: .*\n$/],
    ['--no-color', ['--no-color'], { FORCE_COLOR: '1' }, /^new version: .*\n$/],
  ])('says as much as is asked for: %s', async (_, args, env, said) => {
    const computer = await freshComputer()
    await computer.push(version('1.1.0'))
    const { code, stderr } = await computer.telec('telec-watch', args, { env: { ...computer.env, ...env } })
    expect(code).toBe(0)
    expect(stderr).toMatch(said)
    expect(computer.state('update_signal.json')).toBeDefined()
    const again = await computer.telec('telec-watch', ['--verbose'])
    expect(again.stderr).toMatch(/^polled: /)
  })

  test('--no-color is heard wherever it stands', async () => {
    const { telec, env } = await freshComputer()
    for (const args of [
      ['doctor', '--no-color'],
      ['--no-color', 'doctor'],
    ])
      expect((await telec('telec', args, { env: { ...env, FORCE_COLOR: '1' } })).stdout).toMatch(/^✓ /)
  })

  test('says once what it found, and is quiet after that', async () => {
    const computer = await freshComputer()
    const commit = await computer.push(version('1.1.0'))
    const first = await computer.telec('telec-watch')
    expect(first.stderr).toContain(`new version: ${commit.slice(0, 12)}`)
    expect(await computer.telec('telec-watch')).toEqual({ code: 0, signal: null, stdout: '', stderr: '' })
  })

  test('writes no signal where nothing was pushed', async () => {
    const computer = await freshComputer()
    expect((await computer.telec('telec-watch')).code).toBe(0)
    expect(computer.state('update_signal.json')).toBeNull()
    expect(computer.state('watch_state.json')).toMatchObject({
      outcome: 'current',
      target: null,
      failures: 0,
      polled_at: expect.stringMatching(ISO_TIME),
    })
  })

  test('does not write the signal again for the same commit: its time is that of the detection', async () => {
    const computer = await freshComputer()
    await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    const first = computer.state('update_signal.json')
    await computer.telec('telec-watch')
    expect(computer.state('update_signal.json')).toEqual(first)
  })

  test('asks for the newest commit where more were pushed before an update', async () => {
    const computer = await freshComputer()
    await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    const commit = await computer.push(version('1.2.0'))
    await computer.telec('telec-watch')
    expect(computer.state('update_signal.json')).toMatchObject({ target: { commit } })
  })

  test('does not ask for a commit of another branch or for a tag', async () => {
    const computer = await freshComputer()
    await computer.git('checkout', '--quiet', '-b', 'topic')
    await computer.git('commit', '--quiet', '--allow-empty', '--message', 'topic')
    await computer.git('tag', 'v9.0.0')
    await computer.git('push', '--quiet', 'origin', 'topic', 'v9.0.0')
    await computer.telec('telec-watch')
    expect(computer.state('update_signal.json')).toBeNull()
  })

  test('goes by the deployed version, not by where the checkout is', async () => {
    const computer = await freshComputer()
    const commit = await computer.push(version('1.1.0'))
    await computer.gitInCheckout('pull', '--quiet')
    await computer.telec('telec-watch')
    expect(computer.state('update_signal.json')).toMatchObject({ target: { commit } })
  })

  test('leaves the checkout alone', async () => {
    const computer = await freshComputer()
    const refs = () => computer.gitInCheckout('for-each-ref')
    const before = [readTree(computer.checkout), await refs()]
    await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    expect([readTree(computer.checkout), await refs()]).toEqual(before)
  })

  test('keeps what it writes to its user', async () => {
    const computer = await freshComputer()
    await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    expect(mode(computer.home)).toBe('700')
    for (const name of ['update_signal.json', 'watch_state.json'])
      expect(mode(join(computer.home, name))).toBe('600')
  })

  test('takes the checked-out commit as deployed on a computer without a record', async () => {
    const computer = await freshComputer()
    for (const name of ['update_state.json', 'migration_state.json']) rmSync(join(computer.home, name))
    const commit = await computer.gitInCheckout('rev-parse', 'HEAD')
    await computer.telec('telec-watch')
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { version: '1.0.0', commit } })
    expect(computer.state('migration_state.json')).toMatchObject({ applied: [], baseline: '1.0.0' })
  })
})

describe('polls that find nothing, again and again', () => {
  /** As units start it: the shell in front of it polls automatically where it can. */
  const poll = (computer: Computer, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) =>
    execute('sh', [join(DIST, 'telec-watch'), ...args], {
      env: { ...computer.env, TELEC_NODE: process.execPath, ...env },
    })
  /** Two polls: a whole one, and one that finds what it left. */
  async function quiet(initArgs: readonly string[] = []): Promise<Computer> {
    const computer = await freshComputer({ initArgs })
    for (const _ of [1, 2])
      expect(await poll(computer, ['--scheduled'])).toMatchObject({ code: 0, stderr: '' })
    return computer
  }
  const file = (computer: Computer) => join(computer.home, 'watch_state.json')

  test.each([[[]], [BETA], [STABLE]])('write nothing but the time %j', async (initArgs) => {
    const computer = await quiet(initArgs)
    const past = new Date(Date.now() - 3_600_000)
    utimesSync(file(computer), past, past)
    const before = readTree(computer.home)
    expect(await poll(computer)).toEqual({ code: 0, signal: null, stdout: '', stderr: '' })
    expect(readTree(computer.home)).toEqual(before)
    expect(statSync(file(computer)).mtimeMs).toBeGreaterThan(Date.now() - 60_000)
    const { watch } = JSON.parse((await computer.telec('telec', ['status', '--json'])).stdout) as {
      watch: { polled_at: string }
    }
    expect(Date.parse(watch.polled_at)).toBeGreaterThan(Date.now() - 60_000)
  })

  test('tell those who debug what a whole poll tells', async () => {
    const computer = await quiet()
    const debugged = await poll(computer, [], { TELEC_DEBUG: '1' })
    expect(debugged.stderr).toBe('polled: current: the head of main is deployed\n')
  })

  test.each<[string, readonly string[], (computer: Computer) => Promise<unknown> | unknown, number, string]>([
    ['a push', [], (it) => it.push(version('1.1.0')), 0, 'new version'],
    ['a release', BETA, (it) => it.push(version('1.1.0'), { tag: 'v1.1.0' }), 0, 'new version'],
    [
      'a channel that was switched',
      [],
      async (it) => {
        await it.push(version('1.1.0'), { tag: 'v1.1.0' })
        await it.git('push', '--quiet', '--force', 'origin', 'HEAD~1:main')
        it.writeConfig(`deployment:\n  checkout: ${it.checkout}\n  channel: beta\n`)
      },
      0,
      'new version',
    ],
    [
      'another record of what is deployed',
      [],
      (it) => {
        const state = it.state('update_state.json') as { deployed: { commit: string } }
        state.deployed.commit = 'f'.repeat(40)
        it.writeState('update_state.json', JSON.stringify(state))
      },
      0,
      'new version',
    ],
    [
      'a configuration that is wrong now',
      [],
      (it) => it.writeConfig('deployment: x\n'),
      78,
      'the configuration is invalid',
    ],
    [
      'a record that is broken now',
      [],
      (it) => it.writeState('update_state.json', '{'),
      1,
      'update_state.json cannot be understood',
    ],
    [
      'a remote that is gone',
      [],
      (it) => it.gitInCheckout('remote', 'set-url', 'origin', join(it.folder, 'gone')),
      75,
      'out of reach',
    ],
    [
      'a checkout that is gone',
      [],
      (it) => rmSync(it.checkout, { recursive: true }),
      78,
      'deployment.checkout',
    ],
  ])('notice %s', async (_, initArgs, change, code, part) => {
    const computer = await quiet(initArgs)
    await change(computer)
    const ended = await poll(computer, ['--scheduled'])
    expect(ended).toMatchObject({ code })
    expect(ended.stderr).toContain(part)
  })
})

describe('telec-watch without the remote', () => {
  test('exits with 75, counts the polls that failed, and keeps what it knew', async () => {
    const computer = await freshComputer()
    await computer.telec('telec-watch')
    const known = computer.state('watch_state.json')
    await computer.gitInCheckout('remote', 'set-url', 'origin', join(computer.folder, 'gone.git'))
    for (const failures of [1, 2, 3]) {
      expectFailure(await computer.telec('telec-watch'), 75, ['remote origin is out of reach'])
      expect(computer.state('watch_state.json')).toEqual({
        ...known,
        failures,
        last_failure: expect.stringContaining('gone.git'),
        next_poll_at: failures === 1 ? null : expect.stringMatching(ISO_TIME),
      })
    }
  })

  test('counts from nothing again, and says so, once the remote is back', async () => {
    const computer = await freshComputer()
    await computer.gitInCheckout('remote', 'set-url', 'origin', join(computer.folder, 'gone.git'))
    await computer.telec('telec-watch')
    await computer.gitInCheckout('remote', 'set-url', 'origin', computer.remote)
    const ended = await computer.telec('telec-watch')
    expect(ended).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('the remote is back after 1 failed poll'),
    })
    expect(computer.state('watch_state.json')).toMatchObject({ failures: 0, last_failure: null })
  })

  test('by the timer says so once, and gives it time', async () => {
    const computer = await freshComputer()
    await computer.gitInCheckout('remote', 'set-url', 'origin', join(computer.folder, 'gone.git'))
    expectFailure(await computer.telec('telec-watch', ['--scheduled']), 75, ['remote origin is out of reach'])
    const quiet = { code: 75, signal: null, stdout: '', stderr: '' }
    expect(await computer.telec('telec-watch', ['--scheduled'])).toEqual(quiet)
    const { polled_at: _, ...state } = computer.state('watch_state.json') ?? {}
    expect(state).toMatchObject({ failures: 2, next_poll_at: expect.stringMatching(ISO_TIME) })
    expect(await computer.telec('telec-watch', ['--scheduled'])).toEqual(quiet)
    expect(computer.state('watch_state.json')).toMatchObject(state) // it did not ask

    await computer.gitInCheckout('remote', 'set-url', 'origin', computer.remote)
    expect(await computer.telec('telec-watch', ['--scheduled'])).toEqual(quiet)
    const byHand = await computer.telec('telec-watch')
    expect(byHand).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('the remote is back after 2 failed polls'),
    })
    expect((await computer.telec('telec-watch', ['--scheduled'])).code).toBe(0)
  })

  test('by the timer polls when the pause is over, or its end makes no sense', async () => {
    for (const hours of [-1, 24 * 365]) {
      const computer = await freshComputer()
      await computer.telec('telec-watch')
      const next_poll_at = new Date(Date.now() + hours * 3_600_000).toISOString()
      const state = { ...computer.state('watch_state.json'), failures: 5, last_failure: 'gone', next_poll_at }
      computer.writeState('watch_state.json', JSON.stringify(state))
      expect((await computer.telec('telec-watch', ['--scheduled'])).code).toBe(0)
      expect(computer.state('watch_state.json')).toMatchObject({ failures: 0, next_poll_at: null })
    }
  })

  test('leaves a signal that waits where it is', async () => {
    const computer = await freshComputer()
    const commit = await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    await computer.gitInCheckout('remote', 'set-url', 'origin', join(computer.folder, 'gone.git'))
    await computer.telec('telec-watch')
    expect(computer.state('update_signal.json')).toMatchObject({ target: { commit } })
  })
})

describe('telec-watch for releases', () => {
  test('does not signal a pushed commit without a release', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    expect(computer.state('update_signal.json')).toBeNull()
    expect(computer.state('watch_state.json')).toMatchObject({ reason: 'no release fits beta' })
  })

  test('asks for the newest release on beta', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    await computer.push(version('1.2.0'), { tag: 'v1.2.0' })
    const commit = await computer.push(version('1.10.0'), { tag: 'v1.10.0' })
    await computer.push(version('1.11.0-rc.1'), { tag: 'v1.11.0-rc.1' })
    await computer.telec('telec-watch')
    expect(computer.state('update_signal.json')).toMatchObject({
      channel: 'beta',
      target: { version: '1.10.0', ref: 'refs/tags/v1.10.0', commit },
    })
  })

  test('asks for the commit behind an annotated tag, not for the tag', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    const commit = await computer.push(version('1.2.0'))
    await computer.git('tag', '--annotate', '--message', 'the release', 'v1.2.0')
    await computer.git('push', '--quiet', 'origin', 'v1.2.0')
    expect(await computer.git('rev-parse', 'v1.2.0')).not.toBe(commit)
    await computer.telec('telec-watch')
    expect(computer.state('update_signal.json')).toMatchObject({ target: { commit } })
  })

  test('asks for the newest patch on stable, and for no other minor version', async () => {
    const computer = await freshComputer({ initArgs: STABLE })
    await computer.push(version('1.2.1'), { tag: 'v1.2.1' })
    const commit = await computer.push(version('1.2.2'), { tag: 'v1.2.2' })
    await computer.push(version('1.20.0'), { tag: 'v1.20.0' })
    await computer.telec('telec-watch')
    expect(computer.state('update_signal.json')).toMatchObject({
      channel: 'stable',
      target: { version: '1.2.2', ref: 'refs/tags/v1.2.2', commit },
    })
  })

  test('refuses a tag that moved, says so once, and keeps the reason for telec status', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    await computer.push(version('1.2.0'), { tag: 'v1.2.0' })
    await computer.telec('telec-watch')
    await computer.telec('telec-update')
    await computer.push({ 'more.txt': 'more\n' })
    await computer.git('tag', '--force', 'v1.2.0')
    await computer.git('push', '--quiet', '--force', 'origin', 'v1.2.0')
    const first = await computer.telec('telec-watch')
    expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining('the tag of 1.2.0 has moved') })
    expect(computer.state('update_signal.json')).toBeNull()
    expect(computer.state('watch_state.json')).toMatchObject({ outcome: 'refused' })
    expect((await computer.telec('telec-watch')).stderr).toBe('')
    expect((await computer.telec('telec', ['status'])).stdout).toContain(
      'not taken: the tag of 1.2.0 has moved',
    )
  })
})
