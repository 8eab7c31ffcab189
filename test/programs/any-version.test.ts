import { renameSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type Computer, markerMigration, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { gitAs, keep, sshSigner } from '../helpers/signing.ts'
import { deployedInTurn, publish, updated, watchAndUpdate } from '../helpers/update.ts'

const BETA = ['--channel', 'beta']

const telec = (computer: Computer, ...args: string[]) => computer.telec('telec', args)
const status = async (computer: Computer) => (await telec(computer, 'status')).stdout
const headOf = (computer: Computer) => computer.gitInCheckout('rev-parse', 'HEAD')

/** Polls and updates, which leaves the computer where it is. */
async function stays(computer: Computer): Promise<void> {
  const before = await headOf(computer)
  const ended = await watchAndUpdate(computer)
  expect(ended, ended.stderr).toMatchObject({ code: 0 })
  expect(await headOf(computer)).toBe(before)
}

describe('telec rollback --to', () => {
  test.each([
    ['a branch', []],
    ['releases', BETA],
  ])('goes to any that was deployed, and holds all that it leaves: %s', async (_, initArgs) => {
    const computer = await freshComputer({ initArgs })
    const [, one, two, three] = await deployedInTurn(computer, '1.1.0', '1.2.0', '1.3.0')
    const dry = await telec(computer, 'rollback', '--to', '1.1.0', '--dry-run', '--json')
    expect(JSON.parse(dry.stdout)).toMatchObject({ from: { commit: three }, target: { commit: one } })

    const ended = await telec(computer, 'rollback', '--to', '1.1.0')
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(await headOf(computer)).toBe(one)
    expect(computer.state('update_state.json')).toMatchObject({
      deployed: { commit: one },
      previous: [{ version: '1.0.0' }],
      rolled_back: { targets: [{ commit: two }, { commit: three }] },
    })
    await stays(computer)
    expectFailure(await telec(computer, 'rollback', '--to', '1.1.0'), 1, ['is deployed', 'telec pin 1.1.0'])
    const four = await publish(computer, '1.4.0')
    await updated(computer)
    expect(await headOf(computer)).toBe(four)
  })

  test('takes a commit, and says what it cannot go to', async () => {
    const computer = await freshComputer()
    const [first = '', one = ''] = await deployedInTurn(computer, '1.1.0')
    const same = await computer.push({ note: 'the same version' })
    await updated(computer)
    expectFailure(await telec(computer, 'rollback', '--to', '1.1.0'), 2, [
      '1.1.0 names 2 deployments',
      one.slice(0, 12),
      same.slice(0, 12),
    ])
    expectFailure(await telec(computer, 'rollback', '--to', '9.9.9'), 1, [
      '9.9.9 is not among the last 3 deployments',
      '1.0.0',
    ])
    expectFailure(await telec(computer, 'rollback', '--to', 'yesterday'), 2, [
      'neither a version nor a commit',
    ])
    expect((await telec(computer, 'rollback', '--to', first.slice(0, 10))).code).toBe(42)
    expect(await headOf(computer)).toBe(first)
  })

  test('refuses where migrations ran since then, and lists them', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    await deployedInTurn(computer, '1.1.0')
    for (const number of ['1.2.0', '1.3.0']) {
      await computer.push(
        { ...version(number), ...markerMigration(number, '001_a.mjs', number) },
        { tag: `v${number}` },
      )
      await updated(computer)
    }
    const head = await headOf(computer)
    expectFailure(await telec(computer, 'rollback', '--to', '1.1.0'), 1, [
      '2 migrations ran since 1.1.0',
      '1.2.0/001_a.mjs',
      '1.3.0/001_a.mjs',
      'telec-update rollback --to 1.1.0 --force',
    ])
    expectFailure(await telec(computer, 'rollback', '--to', '1.2.0'), 1, ['1 migration ran since 1.2.0'])
    expect(await headOf(computer)).toBe(head)
    expect((await telec(computer, 'rollback', '--to', '1.1.0', '--force')).code).toBe(42)
  })

  test('that halted is resumed, or left for another one', async () => {
    const computer = await freshComputer({ initArgs: ['--install', 'test ! -e broken'] })
    const [first] = await deployedInTurn(computer, '1.1.0')
    await computer.push({ ...version('1.2.0'), broken: '' })
    expectFailure(await watchAndUpdate(computer), 1)
    const ended = await telec(computer, 'rollback', '--to', '1.0.0')
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(await headOf(computer)).toBe(first)
    expect(computer.state('update_state.json')).toMatchObject({
      previous: [],
      rolled_back: { targets: [{ version: '1.1.0' }, { version: '1.2.0' }] },
    })
    await stays(computer)
  })
})

describe('telec hold', () => {
  test('has the channel take the next best one, until telec unhold', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    const one = await publish(computer, '1.1.0')
    const two = await publish(computer, '1.2.0')
    const held = await telec(computer, 'hold', '1.2.0')
    expect(held, held.stderr).toMatchObject({ code: 0 })
    expect(held.stdout).toMatch(/^1\.2\.0 \(\w+\) is held; .*telec unhold 1\.2\.0$/m)
    await updated(computer)
    expect(await headOf(computer)).toBe(one)
    await stays(computer)
    expect(await status(computer)).toMatch(
      /^held +1\.2\.0 \(\w+\): never taken, since .* telec unhold 1\.2\.0$/m,
    )
    expect(await status(computer)).toMatch(/^available +not yet: 1\.2\.0 \(\w+\) is held/m)
    expect((await telec(computer, 'doctor')).stdout).toMatch(/1\.1\.0 .* is deployed, held: 1\.2\.0/)

    expectFailure(await telec(computer, 'unhold', '1.3.0'), 2, ['1.3.0 is not held', '1.2.0'])
    expect((await telec(computer, 'unhold', '1.2.0')).stdout).toMatch(/no longer held/)
    await updated(computer)
    expect(await headOf(computer)).toBe(two)
  })

  test('takes back a signalled version', async () => {
    const computer = await freshComputer()
    const commit = await computer.push(version('1.1.0'))
    expect((await computer.telec('telec-watch')).code).toBe(0)
    const { stdout } = await telec(computer, 'hold', commit.slice(0, 8), '--json')
    expect(JSON.parse(stdout)).toMatchObject({ held: { commit }, deployed: { version: '1.0.0' } })
    const ended = await computer.telec('telec-update')
    expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining('is held') })
    expect(computer.state('update_signal.json')).toBeNull()
    await stays(computer)
    await computer.push(version('1.2.0'))
    await updated(computer)
  })

  test('of the deployed version says that it stays, and takes newer ones', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    await deployedInTurn(computer, '1.1.0', '1.2.0')
    const { stdout } = await telec(computer, 'hold', '1.2.0')
    expect(stdout).toContain(
      'it is deployed, and stays until there is a newer one; to roll back: telec rollback',
    )
    await stays(computer)
    const three = await publish(computer, '1.3.0')
    await updated(computer)
    expect(await headOf(computer)).toBe(three)
  })

  test('refuses unknown and ambiguous names', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    await publish(computer, '1.1.0')
    expectFailure(await telec(computer, 'hold', '7.0.0'), 1, ['knows 7.0.0', '1.1.0'])
    expectFailure(await telec(computer, 'hold', 'soon'), 2, ['neither a version nor a commit'])
    expect(computer.state('choices.json')).toBeNull()
  })

  test('that cannot be understood is not guessed at', async () => {
    const computer = await freshComputer()
    computer.writeState('choices.json', '{')
    await computer.push(version('1.1.0'))
    expectFailure(await computer.telec('telec-watch'), 1, ['choices.json', 'telec hold'])
    expectFailure(await telec(computer, 'status'), 1, ['choices.json'])
  })
})

describe('telec pin', () => {
  test('goes to a release and stays there, until telec unpin', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    const one = await publish(computer, '1.1.0')
    const two = await publish(computer, '1.2.0')
    const ended = await telec(computer, 'pin', '1.1.0')
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    expect(ended.stdout).toMatch(/^pinned to 1\.1\.0 \(\w+\): the next poll takes it; now: telec update$/m)
    await updated(computer)
    expect(await headOf(computer)).toBe(one)
    await stays(computer)
    expect(await status(computer)).toMatch(/^pinned +to 1\.1\.0 \(\w+\), since .*; to end it: telec unpin$/m)
    expect(await status(computer)).toMatch(/^available +nothing new: this computer is pinned to 1\.1\.0/m)
    expect(JSON.parse((await telec(computer, 'status', '--json')).stdout)).toMatchObject({
      choices: { pin: { version: '1.1.0', commit: one }, held: [] },
    })
    expect((await telec(computer, 'history')).stdout).toMatch(/→ 1\.1\.0 \(\w+\): updated, as pinned$/m)
    const explained = await computer.telec('telec-watch', ['--explain', '--dry-run'])
    expect(explained.stdout).toMatch(/1\.2\.0 \(\w+\) at \S+ is not 1\.1\.0 \(\w+\), the pinned version/)

    expect((await telec(computer, 'unpin')).stdout).toMatch(/^no longer pinned to 1\.1\.0/)
    expect((await telec(computer, 'unpin')).stdout).toBe('it was not pinned\n')
    await updated(computer)
    expect(await headOf(computer)).toBe(two)
  })

  test('on a branch goes to a commit of it, and stays on the branch', async () => {
    const computer = await freshComputer()
    const one = await computer.push(version('1.1.0'))
    const two = await computer.push(version('1.2.0'))
    const { stdout } = await telec(computer, 'pin', one.slice(0, 10), '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      pin: { version: '1.1.0', ref: 'refs/heads/main', commit: one },
    })
    await updated(computer)
    expect(await headOf(computer)).toBe(one)
    expect(await computer.gitInCheckout('symbolic-ref', 'HEAD')).toBe('refs/heads/main')
    await stays(computer)
    expect((await telec(computer, 'unpin')).code).toBe(0)
    await updated(computer)
    expect(await headOf(computer)).toBe(two)
  })

  test('to the deployed version stays there, also where the remote is out of reach', async () => {
    const computer = await freshComputer()
    renameSync(computer.remote, `${computer.remote}.gone`)
    const { stdout } = await telec(computer, 'pin', '1.0.0')
    renameSync(`${computer.remote}.gone`, computer.remote)
    expect(stdout).toMatch(/^pinned to 1\.0\.0 \(\w+\): it is deployed, and stays$/m)
    await computer.push(version('1.1.0'))
    await stays(computer)
  })

  test('never goes back: that is said to be a rollback, which takes the pin along', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    const [, one] = await deployedInTurn(computer, '1.1.0', '1.2.0')
    expectFailure(await telec(computer, 'pin', '1.1.0'), 1, [
      '1.1.0',
      'is older than 1.2.0',
      'telec rollback --to 1.1.0',
    ])
    expect(computer.state('choices.json')).toBeNull()
    expect((await telec(computer, 'pin', '1.2.0')).code).toBe(0)
    expect((await telec(computer, 'rollback', '--to', '1.1.0')).code).toBe(42)
    expect(computer.state('choices.json')).toMatchObject({ pin: { commit: one } })
    await publish(computer, '1.3.0')
    await stays(computer)
  })

  test('on a branch an older commit is an ancestor, with any versions', async () => {
    const computer = await freshComputer()
    const [first = ''] = await deployedInTurn(computer, '1.1.0')
    expectFailure(await telec(computer, 'pin', first.slice(0, 12)), 1, ['is older than 1.1.0'])
    const lower = await computer.push(version('0.9.0'))
    expect((await telec(computer, 'pin', lower)).code).toBe(0)
    await updated(computer)
    expect(await headOf(computer)).toBe(lower)
  })

  test('takes again the version rolled back from', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    const [, one] = await deployedInTurn(computer, '1.1.0')
    expect((await telec(computer, 'rollback')).code).toBe(42)
    await stays(computer)
    expect((await telec(computer, 'pin', '1.1.0')).code).toBe(0)
    await updated(computer)
    expect(await headOf(computer)).toBe(one)
  })

  test('keeps --retry from the version rolled back from, also after its end', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    await deployedInTurn(computer, '1.1.0')
    expect((await telec(computer, 'rollback')).code).toBe(42)
    expect((await telec(computer, 'pin', '1.0.0')).code).toBe(0)
    const ended = await telec(computer, 'update', '--retry')
    expect(ended, ended.stderr).toMatchObject({ code: 0, stderr: expect.stringContaining('skipped: 1.1.0') })
    expect((await telec(computer, 'unpin')).code).toBe(0)
    await stays(computer)
  })

  test('is refused for what the remote does not have, and for a held version', async () => {
    const computer = await freshComputer()
    await computer.gitInCheckout('checkout', '--quiet', '-b', 'mine')
    await computer.gitInCheckout(
      ...['-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '--quiet', '--allow-empty', '-m', 'mine'],
    )
    const mine = await headOf(computer)
    await computer.gitInCheckout('checkout', '--quiet', 'main')
    expectFailure(await telec(computer, 'pin', mine), 1, ['the remote does not have', mine.slice(0, 12)])
    expectFailure(await telec(computer, 'pin', 'dead4bad'), 1, ['knows dead4bad'])
    const next = await computer.push(version('1.1.0'))
    expect((await telec(computer, 'hold', next)).code).toBe(0)
    expectFailure(await telec(computer, 'pin', next), 1, ['is held: telec unhold'])
    expect((await telec(computer, 'unhold', next)).code).toBe(0)
    expect((await telec(computer, 'pin', next)).code).toBe(0)
    expectFailure(await telec(computer, 'hold', next), 1, ['is pinned to', 'telec unpin'])
  })

  test('names the commits that a beginning could mean', async () => {
    const computer = await freshComputer()
    const tree = await computer.git('rev-parse', 'HEAD^{tree}')
    // Enough commits that two begin alike: of 65,536 beginnings, 2,000 at once.
    const ids: string[] = []
    for (let n = 0; ids.length === new Set(ids.map((id) => id.slice(0, 4))).size; n++)
      ids.push(await computer.gitInCheckout('commit-tree', tree, '-m', `number ${n}`))
    const twice = ids.at(-1)?.slice(0, 4) ?? ''
    expectFailure(await telec(computer, 'pin', twice), 2, [`${twice} could be 2 commits`, 'more digits'])
    expectFailure(await telec(computer, 'hold', twice), 2, [`${twice} could be 2 commits`])
  })

  test('is of one service', async () => {
    const computer = await freshComputer()
    const other = ['--name', 'worker']
    await computer.gitInCheckout('worktree', 'add', '--quiet', '../other', '-b', 'other')
    const init = await telec(computer, 'init', '--checkout', `${computer.folder}/other`, ...other)
    expect(init, init.stderr).toMatchObject({ code: 0 })
    expect((await telec(computer, 'pin', '1.0.0', 'worker')).code).toBe(0)
    expect(computer.state('choices.json')).toBeNull()
    expect(computer.state('services/worker/choices.json')).toMatchObject({ pin: { version: '1.0.0' } })
    expect((await telec(computer, 'unpin', ...other)).stdout).toMatch(/no longer pinned/)
  })

  test('is verified as every update is', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    const signer = await sshSigner(computer.folder, 'ann')
    const signers = keep(computer, 'allowed', signer.allowed)
    computer.writeConfig(
      `deployment:\n  channel: beta\n  checkout: ${computer.checkout}\n  verify: signed-tag\n  allowed_signers: ${signers}\n`,
    )
    const one = await publish(computer, '1.1.0')
    await computer.push(version('1.2.0'))
    await gitAs(computer, signer, ['tag', '--sign', '--message', 'a release', 'v1.2.0'])
    await computer.git('push', '--quiet', 'origin', 'v1.2.0')
    expect((await telec(computer, 'pin', one)).code).toBe(0)
    expectFailure(await watchAndUpdate(computer), 1, ['v1.1.0', 'is not'])
    expect((await telec(computer, 'pin', '1.2.0')).code).toBe(0)
    await updated(computer)
  })
})
