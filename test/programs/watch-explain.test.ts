import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { readTree } from '../helpers/tree.ts'
import { watchAndUpdate } from '../helpers/update.ts'

const BETA = ['--channel', 'beta']

function configure(computer: Computer, more: string): void {
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n${more}`)
}

/** As if this computer had seen what it has seen so much earlier. */
function age(computer: Computer, hours: number): void {
  const state = computer.state('watch_state.json') as { seen: { at: string }[] }
  for (const one of state.seen) one.at = new Date(Date.parse(one.at) - hours * 3_600_000).toISOString()
  computer.writeState('watch_state.json', JSON.stringify(state))
}

describe('telec-watch --explain', () => {
  test('shows the available versions, the chosen one, and why the others were not', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    await computer.push(version('0.9.0'), { tag: 'v0.9.0' })
    const commit = await computer.push(version('1.1.0'), { tag: 'v1.1.0' })
    await computer.push(version('1.2.0-rc.1'), { tag: 'v1.2.0-rc.1' })
    const { stdout, code } = await computer.telec('telec-watch', ['--explain'])
    expect(code).toBe(0)
    expect(stdout.split('\n')).toEqual([
      'an update: 1.1.0 is the newest release',
      expect.stringMatching(/^ {2}1\.2\.0-rc\.1 .* is a prerelease, and deployment\.prereleases is false$/),
      `→ 1.1.0 (${commit.slice(0, 12)}) at refs/tags/v1.1.0`,
      expect.stringMatching(/^ {2}0\.9\.0 .* is not newer than 1\.0\.0/),
      '',
    ])
  })

  test('names the rule that holds a target, and until when', async () => {
    const computer = await freshComputer()
    configure(computer, '  min_age: 2h\n')
    const commit = await computer.push(version('1.1.0'))
    const { stdout, stderr } = await computer.telec('telec-watch', ['--explain'])
    expect(stdout).toMatch(/^not yet: [0-9a-f]{12} is younger than deployment\.min_age until 20/)
    expect(stderr).toContain(`not yet: ${commit.slice(0, 12)}`)
    expect((await computer.telec('telec', ['status'])).stdout).toContain('not yet:')
  })

  test('names a halt that holds a target', async () => {
    const computer = await freshComputer({ initArgs: ['--install', 'false'] })
    await computer.push(version('1.1.0'))
    expect((await watchAndUpdate(computer)).code).toBe(1)
    const { stdout } = await computer.telec('telec-watch', ['--explain'])
    expect(stdout).toContain('halted at install')
    expect(stdout).toContain('telec-update --retry')
  })

  test('tells of a channel that was switched', async () => {
    const computer = await freshComputer()
    await computer.push(version('1.1.0'), { tag: 'v1.1.0' })
    expect((await computer.telec('telec-watch')).code).toBe(0)
    configure(computer, '  channel: stable\n  pinned_minor: "1.0"\n')
    const { stdout, stderr } = await computer.telec('telec-watch', ['--explain'])
    expect(stdout).toContain('nothing new: no release fits stable (1.0)')
    expect(stdout).toContain('is no patch of 1.0 (deployment.pinned_minor)')
    expect(stderr).toContain('withdrawn')
    expect((await computer.telec('telec-update')).code).toBe(0)
  })
})

describe('telec-watch --json', () => {
  test('is the decision as data', async () => {
    const computer = await freshComputer()
    const commit = await computer.push(version('1.1.0'))
    const target = { version: null, ref: 'refs/heads/main', commit }
    const { stdout } = await computer.telec('telec-watch', ['--json'])
    expect(JSON.parse(stdout)).toEqual({
      version: 1,
      kind: 'update',
      reason: 'main has a new head',
      target,
      considered: [{ target, rule: null, until: null }],
      malformed: [],
    })
    expect(computer.state('update_signal.json')).toMatchObject({ target })
  })
})

describe('telec-watch --dry-run', () => {
  test.each([['alpha'], ['beta']])('on %s tells and writes nothing', async (channel) => {
    const computer = await freshComputer({ initArgs: ['--channel', channel] })
    const before = readTree(computer.home)
    await computer.push(version('1.1.0'), { tag: 'v1.1.0' })
    const { stdout, code } = await computer.telec('telec-watch', ['--dry-run', '--explain'])
    expect(code).toBe(0)
    expect(stdout).toContain('an update: ')
    expect({ ...readTree(computer.home), 'telec.lock': '' }).toEqual({ ...before, 'telec.lock': '' })
  })
})

describe('min_age', () => {
  test('a push is taken that long after it was first seen, although others follow', async () => {
    const computer = await freshComputer()
    configure(computer, '  min_age: 2h\n')
    const first = await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    age(computer, 1.5)
    const second = await computer.push(version('1.2.0'))
    await computer.telec('telec-watch')
    expect(computer.state('update_signal.json')).toBeNull()
    age(computer, 1)
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(computer.state('update_state.json')).toMatchObject({
      deployed: { commit: first, version: '1.1.0' },
    })
    age(computer, 1)
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit: second } })
  })

  test('a release that is withdrawn while it is held was never taken', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    configure(computer, '  channel: beta\n  min_age: 2h\n')
    await computer.push(version('1.1.0'), { tag: 'v1.1.0' })
    await computer.telec('telec-watch')
    await computer.git('push', '--quiet', '--delete', 'origin', 'v1.1.0')
    age(computer, 3)
    expect((await computer.telec('telec-watch')).code).toBe(0)
    expect(computer.state('update_signal.json')).toBeNull()
  })
})
