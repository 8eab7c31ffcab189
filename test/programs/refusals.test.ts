import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { halted, untouched, watchAndUpdate } from '../helpers/update.ts'

const BETA = ['--channel', 'beta']

/** The deployed commit, which must be checked out. */
async function deployed(computer: Computer): Promise<string> {
  const { commit } = (computer.state('update_state.json') as { deployed: { commit: string } }).deployed
  expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
  return commit
}

/** Publishes a release; the commit's id. */
function release(computer: Computer, number: string): Promise<string> {
  return computer.push(version(number), { tag: `v${number}` })
}

/** A computer on beta at 1.1.0, which was published as a release. */
async function computerOnBeta(): Promise<Computer> {
  const computer = await freshComputer({ initArgs: BETA })
  await release(computer, '1.1.0')
  expect((await watchAndUpdate(computer)).code).toBe(42)
  return computer
}

/** Puts a tag of the remote at another commit. */
async function moveTag(computer: Computer, tag: string): Promise<string> {
  const commit = await computer.push(version('9.9.9'), { message: 'something else' })
  await computer.git('tag', '--force', tag)
  await computer.git('push', '--quiet', '--force', 'origin', tag)
  return commit
}

describe('a branch that was force-pushed', () => {
  async function forcePushed(): Promise<{ computer: Computer; commit: string; old: string }> {
    const computer = await freshComputer()
    const old = await computer.push(version('1.1.0'))
    expect((await watchAndUpdate(computer)).code).toBe(42)
    await computer.git('reset', '--quiet', '--hard', 'HEAD~1')
    await computer.git('commit', '--quiet', '--allow-empty', '--message', 'another history')
    await computer.git('push', '--quiet', '--force', 'origin', 'HEAD:main')
    return { computer, commit: await computer.git('rev-parse', 'HEAD'), old }
  }

  test('is not taken, and status says how a user takes it', async () => {
    const { computer, old } = await forcePushed()
    const before = await untouched(computer)
    expectFailure(await watchAndUpdate(computer), 1, ['main was rewritten', 'telec-update --accept-rewrite'])
    expect(await untouched(computer)).toMatchObject({ ...(before as object), signal: expect.anything() })
    expect(await deployed(computer)).toBe(old)
    expect((await computer.telec('telec', ['status'])).stdout).toContain('telec-update --accept-rewrite')
    expectFailure(await computer.telec('telec-update'), 1, ['halted since'])
  })

  test('is taken where a user accepts it, on its branch, and the commit before is kept', async () => {
    const { computer, commit, old } = await forcePushed()
    expectFailure(await watchAndUpdate(computer), 1)
    const ended = await computer.telec('telec-update', ['--accept-rewrite'])
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(await deployed(computer)).toBe(commit)
    expect(await computer.gitInCheckout('symbolic-ref', 'HEAD')).toBe('refs/heads/main')
    expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
    expect(await computer.gitInCheckout('rev-parse', `refs/telec/replaced/${old.slice(0, 12)}`)).toBe(old)
    expect((await watchAndUpdate(computer)).code).toBe(0)
  })

  test('is not accepted for good: the next one is refused again', async () => {
    const { computer } = await forcePushed()
    expectFailure(await watchAndUpdate(computer), 1)
    expect((await computer.telec('telec-update', ['--accept-rewrite'])).code).toBe(42)
    await computer.git('commit', '--quiet', '--amend', '--allow-empty', '--message', 'a third history')
    await computer.git('push', '--quiet', '--force', 'origin', 'HEAD:main')
    expectFailure(await watchAndUpdate(computer), 1, ['main was rewritten'])
  })

  test('that comes to descend from the deployed version is taken automatically', async () => {
    const { computer, old } = await forcePushed()
    expectFailure(await watchAndUpdate(computer), 1)
    await computer.git('reset', '--quiet', '--hard', old)
    await computer.git('commit', '--quiet', '--allow-empty', '--message', 'onwards')
    await computer.git('push', '--quiet', '--force', 'origin', 'HEAD:main')
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(halted(computer)).toBeNull()
  })

  test('is not moved over local changes, accepted or not', async () => {
    const { computer, old } = await forcePushed()
    expectFailure(await watchAndUpdate(computer), 1)
    rmSync(join(computer.checkout, 'package.json'))
    expectFailure(await computer.telec('telec-update', ['--accept-rewrite']), 1, ['package.json'])
    expect(await deployed(computer)).toBe(old)
    const both = await computer.telec('telec-update', ['--accept-rewrite', '--stash'])
    expect(both, both.stderr).toMatchObject({ code: 42 })
  })
})

describe('a tag that moved', () => {
  test.each([
    ['after it was deployed', true],
    ['after it was seen', false],
  ])('%s is refused, and a person can accept it', async (_, isDeployed) => {
    const computer = await computerOnBeta()
    const tag = isDeployed ? 'v1.1.0' : 'v1.2.0'
    if (!isDeployed) {
      await release(computer, '1.2.0')
      expect((await computer.telec('telec-watch')).code).toBe(0)
      rmSync(join(computer.home, 'update_signal.json')) // the update did not come to it
    }
    const before = await deployed(computer)
    const commit = await moveTag(computer, tag)
    const watched = await computer.telec('telec-watch')
    expect(watched).toMatchObject({ code: 0 })
    expect(watched.stderr).toContain('has moved')
    expect(computer.state('update_signal.json')).toBeNull()
    expect((await computer.telec('telec-watch')).stderr).toBe('') // it was said
    expect((await computer.telec('telec-update')).code).toBe(0)
    expect(await deployed(computer)).toBe(before)
    expect((await computer.telec('telec', ['status'])).stdout).toMatch(/has moved.*\n.*--accept-rewrite/)

    const ended = await computer.telec('telec-update', ['--accept-rewrite'])
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(await deployed(computer)).toBe(commit)
    expect(await computer.gitInCheckout('rev-parse', tag)).toBe(commit)
    expect((await computer.telec('telec-watch')).stderr).toBe('')
    expect(computer.state('watch_state.json')).toMatchObject({ outcome: 'current' })
  })

  test('between its detection and its fetch is not taken', async () => {
    const computer = await computerOnBeta()
    await release(computer, '1.2.0')
    expect((await computer.telec('telec-watch')).code).toBe(0)
    const before = await deployed(computer)
    await moveTag(computer, 'v1.2.0')
    expectFailure(await computer.telec('telec-update'), 75, ['no longer available'])
    expect(await deployed(computer)).toBe(before)
  })
})

describe('a target that is older than the deployed version', () => {
  test('after a release was withdrawn is refused, and a user can go back to it', async () => {
    const computer = await computerOnBeta()
    const old = await deployed(computer)
    await release(computer, '1.2.0')
    expect((await watchAndUpdate(computer)).code).toBe(42)
    await computer.git('push', '--quiet', '--delete', 'origin', 'v1.2.0')
    const watched = await computer.telec('telec-watch')
    expect(watched.stderr).toContain('1.1.0, the newest release for beta, is older than 1.2.0')
    expect(computer.state('update_signal.json')).toBeNull()
    expect((await computer.telec('telec', ['status'])).stdout).toContain('--allow-downgrade')

    expect((await computer.telec('telec-update', ['--accept-rewrite'])).code).toBe(0) // that is not what it is
    const ended = await computer.telec('telec-update', ['--allow-downgrade'])
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(await deployed(computer)).toBe(old)
    expect((await computer.telec('telec-watch')).stderr).toBe('')
  })

  test('since the pin was lowered is refused, and says which pin', async () => {
    const computer = await freshComputer({ initArgs: ['--channel', 'stable', '--pinned-minor', '1.2'] })
    await release(computer, '1.1.5')
    await release(computer, '1.2.0')
    expect((await watchAndUpdate(computer)).code).toBe(42)
    computer.writeConfig(
      `deployment:\n  channel: stable\n  pinned_minor: "1.1"\n  checkout: ${computer.checkout}\n`,
    )
    const watched = await computer.telec('telec-watch')
    expect(watched.stderr).toContain(
      '1.1.5, the newest release for stable (1.1), is older than 1.2.0, which is deployed',
    )
    expect((await computer.telec('telec-update', ['--allow-downgrade'])).code).toBe(42)
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { version: '1.1.5' } })
  })
})

test('after an update by tag there is exactly that tag in the checkout, of however many', async () => {
  const computer = await freshComputer({ initArgs: BETA })
  for (const patch of [1, 2, 3]) await release(computer, `1.1.${patch}`)
  expect((await watchAndUpdate(computer)).code).toBe(42)
  expect(await computer.gitInCheckout('tag', '--list')).toBe('v1.1.3')
  expect(await computer.gitInCheckout('describe', '--exact-match', '--tags')).toBe('v1.1.3')
})
