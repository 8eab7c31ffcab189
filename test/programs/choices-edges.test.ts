import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { succeed } from '../helpers/programs.ts'
import { deployedInTurn, halted, publish, updated, watchAndUpdate } from '../helpers/update.ts'

const BETA = ['--channel', 'beta']

const telec = (computer: Computer, ...args: string[]) => computer.telec('telec', args)
const headOf = (computer: Computer) => computer.gitInCheckout('rev-parse', 'HEAD')

describe('telec pin to a version that the remote has lost meanwhile', () => {
  test.each<[string, string[], (computer: Computer, first: string) => Promise<unknown>]>([
    ['a tag that was removed', BETA, ({ git }) => git('push', '--quiet', '--delete', 'origin', 'v1.1.0')],
    [
      'a tag that was moved',
      BETA,
      ({ git }, first) => git('push', '--quiet', '--force', 'origin', `${first}:refs/tags/v1.1.0`),
    ],
    [
      'a commit of a branch that was forced',
      [],
      ({ git }, first) => git('push', '--quiet', '--force', 'origin', `${first}:refs/heads/main`),
    ],
  ])('halts, names the way out, and goes on after it: %s', async (_, initArgs, takeAway) => {
    const computer = await freshComputer({ initArgs })
    const first = await headOf(computer)
    const one = await publish(computer, '1.1.0')
    expect(await telec(computer, 'pin', one)).toMatchObject({ code: 0 })
    await takeAway(computer, first)
    expectFailure(await watchAndUpdate(computer), 75, ['is no longer available', 'telec unpin'])
    expect(await headOf(computer)).toBe(first)
    expect(halted(computer)).toMatchObject({ step: 'fetch', hint: expect.stringContaining('telec unpin') })

    expect((await telec(computer, 'unpin')).code).toBe(0)
    expect(await watchAndUpdate(computer)).toMatchObject({ code: 0 })
    expect(halted(computer)).toBeNull()
    await publish(computer, '1.2.0')
    await updated(computer)
  })
})

test('telec pin says what has halted half-way, and does not call it deployed', async () => {
  const computer = await freshComputer({ initArgs: [...BETA, '--install', 'test ! -e broken'] })
  await deployedInTurn(computer, '1.1.0')
  await computer.push({ ...version('1.2.0'), broken: '' }, { tag: 'v1.2.0' })
  expectFailure(await watchAndUpdate(computer), 1)
  expectFailure(await telec(computer, 'pin', '1.1.0'), 1, [
    'is older than 1.2.0',
    'whose update has begun',
    'telec rollback --to 1.1.0',
  ])
  expect((await telec(computer, 'pin', '1.2.0')).stdout).toMatch(
    /^pinned to 1\.2\.0 \(\w+\): it halted at install; then run: telec-update --retry$/m,
  )
})

describe('telec hold', () => {
  test('names a head that waits for min_age, although it was never fetched', async () => {
    const computer = await freshComputer()
    const config = readFileSync(join(computer.home, 'config.yml'), 'utf8')
    computer.writeConfig(config.replace('deployment:\n', 'deployment:\n  min_age: 30d\n'))
    const waiting = await computer.push(version('1.1.0'))
    expect((await computer.telec('telec-watch')).code).toBe(0)
    await computer.push(version('1.2.0'))
    expect((await computer.telec('telec-watch')).code).toBe(0)
    const { code, stdout } = await telec(computer, 'hold', waiting.slice(0, 10), '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ held: { commit: waiting, ref: 'refs/heads/main' } })
    const explained = await computer.telec('telec-watch', ['--explain', '--dry-run'])
    expect(explained.stdout).toMatch(new RegExp(`${waiting.slice(0, 12)}.* is held: telec unhold`))
  })

  test('says that an update which is at it already is not stopped', async () => {
    const computer = await freshComputer()
    const commit = await computer.push(version('1.1.0'))
    expect((await computer.telec('telec-watch')).code).toBe(0)
    const [begun, goOn] = ['begun', 'go-on'].map((name) => join(computer.folder, name))
    await succeed('mkfifo', [`${begun}`, `${goOn}`])
    const serve = `echo >'${begun}'; read -r _ <'${goOn}'; git-upload-pack`
    await computer.gitInCheckout('config', 'remote.origin.uploadpack', serve)
    const updating = computer.telec('telec-update')
    await succeed('head', ['-n', '1', `${begun}`])
    const { stdout } = await telec(computer, 'hold', commit)
    writeFileSync(`${goOn}`, '\n')
    expect((await updating).code).toBe(42)
    expect(stdout).toContain('is under way, and continues; to roll back after it: telec rollback')
    expect(await headOf(computer)).toBe(commit)
  })
})

describe('telec rollback', () => {
  test('skips what a user holds, and goes there where it is named', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    const [first, one] = await deployedInTurn(computer, '1.1.0', '1.2.0')
    expect((await telec(computer, 'hold', '1.1.0')).code).toBe(0)
    const dry = await telec(computer, 'rollback', '--dry-run', '--json')
    expect(JSON.parse(dry.stdout)).toMatchObject({ target: { commit: first } })
    expect((await telec(computer, 'hold', '1.0.0')).code).toBe(0)
    expectFailure(await telec(computer, 'rollback'), 1, [
      'all versions deployed before 1.2.0',
      '1.1.0',
      'telec rollback --to',
    ])
    expect((await telec(computer, 'rollback', '--to', '1.1.0')).code).toBe(42)
    expect(await headOf(computer)).toBe(one)
  })

  test('is refused before it touches anything where the choices cannot be understood', async () => {
    const computer = await freshComputer()
    const [, one] = await deployedInTurn(computer, '1.1.0')
    const state = computer.state('update_state.json')
    computer.writeState('choices.json', '{')
    expectFailure(await telec(computer, 'rollback'), 1, ['choices.json', 'rm '])
    expect(computer.state('update_state.json')).toEqual(state)
    expect(await headOf(computer)).toBe(one)
  })
})
