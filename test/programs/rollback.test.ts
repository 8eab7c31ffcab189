import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, markerMigration, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import type { Ended } from '../helpers/programs.ts'
import { gitAs, keep, sshSigner } from '../helpers/signing.ts'
import { telecRun } from '../helpers/supervised.ts'
import { readTree } from '../helpers/tree.ts'
import { updated, watchAndUpdate } from '../helpers/update.ts'

const BETA = ['--channel', 'beta']
const INSTALL = ['--install', 'cat package.json >>../installed']

const rollback = (computer: Computer, ...args: string[]): Promise<Ended> =>
  computer.telec('telec-update', ['rollback', ...args])
const status = async (computer: Computer) => (await computer.telec('telec', ['status'])).stdout
const deployed = (computer: Computer) =>
  (computer.state('update_state.json') as { deployed: { version: string } }).deployed.version
const headOf = (computer: Computer) => computer.gitInCheckout('rev-parse', 'HEAD')

/** Updated by a push from 1.0.0 to 1.1.0; the commit of each. */
async function updatedOnce(
  initArgs: string[] = [],
): Promise<{ computer: Computer; one: string; two: string }> {
  const computer = await freshComputer({ initArgs })
  const one = await headOf(computer)
  const two = await computer.push(version('1.1.0'))
  await updated(computer)
  return { computer, one, two }
}

describe('telec-update rollback', () => {
  test('knows from the state of an older telec what the last update came from', async () => {
    const { computer, one } = await updatedOnce()
    const { previous: _, ...older } = computer.state('update_state.json') as Record<string, unknown>
    computer.writeState('update_state.json', JSON.stringify(older))
    expect(await rollback(computer)).toMatchObject({ code: 42 })
    expect(await headOf(computer)).toBe(one)
  })

  test('goes back on the branch, installs, holds what it went back from, and continues with the next version', async () => {
    const { computer, one, two } = await updatedOnce(INSTALL)
    const dry = await rollback(computer, '--dry-run', '--json')
    expect(JSON.parse(dry.stdout)).toMatchObject({
      from: { commit: two },
      target: { commit: one },
      migrations: [],
    })
    expect(deployed(computer)).toBe('1.1.0')

    const ended = await rollback(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 42, stdout: '' })
    expect(await headOf(computer)).toBe(one)
    expect(await computer.gitInCheckout('symbolic-ref', 'HEAD')).toBe('refs/heads/main')
    expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
    expect(readTree(computer.folder).installed).toMatch(/1\.1\.0[\s\S]*1\.0\.0/)
    expect(computer.state('update_signal.json')).toBeNull()
    expect(computer.state('status.json')).toMatchObject({
      status: 'updated',
      from: '1.1.0',
      version: '1.0.0',
    })

    expect(await status(computer)).toMatch(
      /^held +1\.1\.0 \(\w+\): rolled back .* ago\n.*telec-update --retry$/m,
    )
    const [, last] = JSON.parse((await computer.telec('telec', ['history', '--json'])).stdout)
    expect(last).toMatchObject({
      from: { commit: two },
      target: { commit: one },
      rollback: true,
      halted: null,
    })
    expect((await computer.telec('telec', ['history'])).stdout).toMatch(
      /^\S+ \S+ \S+ {2}1\.1\.0 .*→ 1\.0\.0 .*: rolled back$/m,
    )

    const explained = await computer.telec('telec-watch', ['--explain'])
    expect(explained.stdout).toMatch(/^not yet: 1\.1\.0 .* was rolled back.*telec-update --retry$/m)
    expect((await computer.telec('telec-watch')).stderr).toBe('') // it was said
    expect((await computer.telec('telec-update')).code).toBe(0)
    expect(await headOf(computer)).toBe(one)
    expect(await status(computer)).toMatch(/^available +not yet: 1\.1\.0 .* was rolled back/m)
    expectFailure(await rollback(computer), 1, ['no deployment before 1.0.0'])

    const three = await computer.push(version('1.2.0'))
    await updated(computer)
    expect(await headOf(computer)).toBe(three)
    expect(await status(computer)).not.toMatch(/^held/m)
    expect((await rollback(computer)).code).toBe(42)
    expect(await headOf(computer)).toBe(one) // 1.1.0 was never deployed before it
  })

  test('is undone by --retry, with any signal', async () => {
    const { computer, two } = await updatedOnce()
    expect((await rollback(computer)).code).toBe(42)
    const target = { version: '1.1.0', ref: 'refs/heads/main', commit: two }
    const signal = {
      channel: 'alpha',
      from: target,
      target,
      detected_at: '2026-05-04T12:00:00Z',
      source: 'x',
    }
    computer.writeState('update_signal.json', JSON.stringify(signal)) // as a poll that had begun before it
    const ended = await computer.telec('telec-update')
    expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining('was rolled back') })
    expect(computer.state('update_signal.json')).toBeNull()
    for (const name of ['1.1.0', two.slice(0, 8)])
      expectFailure(await rollback(computer, '--to', name), 1, [
        `1.1.0 (${two.slice(0, 12)}) is the version that was rolled back`,
        'deploy it again: telec-update --retry',
      ])
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
    expect(await headOf(computer)).toBe(two)
    expect(computer.state('update_state.json')).toMatchObject({ rolled_back: null })
  })

  test('after an update that halted half-way goes back to the deployed version, although paused', async () => {
    const { computer, two } = await updatedOnce(['--install', 'test ! -e broken'])
    await computer.push({ ...version('1.2.0'), broken: '' })
    expectFailure(await watchAndUpdate(computer), 1)
    expect((await computer.telec('telec', ['pause'])).code).toBe(0)
    const ended = await computer.telec('telec', ['rollback'])
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(await headOf(computer)).toBe(two)
    expect(computer.state('update_state.json')).toMatchObject({
      deployed: { commit: two },
      update: null,
      halted: null,
      rolled_back: { targets: [{ version: '1.2.0' }] },
    })
    expect((await computer.telec('telec', ['resume'])).code).toBe(0)
    expect((await computer.telec('telec-watch')).code).toBe(0)
    expect(computer.state('update_signal.json')).toBeNull()
    expect((await rollback(computer, '--dry-run')).stdout).toMatch(/^from 1\.1\.0 .* back to 1\.0\.0/)
  })

  test('that halts itself says so and is resumed', async () => {
    const { computer, one } = await updatedOnce(['--install', 'test ! -e ../broken'])
    writeFileSync(join(computer.folder, 'broken'), '')
    expectFailure(await rollback(computer), 1, ['install command', 'telec-update --retry'])
    expect(computer.state('update_state.json')).toMatchObject({
      deployed: { version: '1.1.0' },
      rolled_back: { targets: [{ version: '1.1.0' }] },
    })
    expect((await computer.telec('telec', ['history'])).stdout).toMatch(
      /→ 1\.0\.0 .*: rollback halted at install/,
    )
    expect((await computer.telec('telec', ['status'])).stdout).toMatch(
      /^halted +at install, .*, in the rollback to 1\.0\.0 /m,
    )
    expect((await computer.telec('telec-watch')).code).toBe(0)
    expectFailure(await computer.telec('telec-update'), 1, ['halted since'])
    rmSync(join(computer.folder, 'broken'))
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
    expect(await headOf(computer)).toBe(one)
    expect(computer.state('update_state.json')).toMatchObject({
      deployed: { version: '1.0.0' },
      update: null,
    })
  })

  test.each([
    ['', false],
    [', also where it was pinned', true],
  ])(
    'that halts is not replaced by the version that it goes back from%s, but by a newer one',
    async (_, isPinned) => {
      const install = 'test ! -e broken && test ! -e ../broken'
      const { computer, two } = await updatedOnce(['--install', install])
      const three = await computer.push({ ...version('1.2.0'), broken: '' })
      if (isPinned) expect((await computer.telec('telec', ['pin', three])).code).toBe(0)
      expectFailure(await watchAndUpdate(computer), 1)
      writeFileSync(join(computer.folder, 'broken'), '')
      expectFailure(await rollback(computer), 1, ['install command'])

      const explained = await computer.telec('telec-watch', ['--explain'])
      if (!isPinned) expect(explained.stdout).toMatch(/^not yet: 1\.2\.0 \(\w+\) is being rolled back$/m)
      expect(computer.state('update_signal.json')).toMatchObject({ target: { commit: two } })
      expectFailure(await computer.telec('telec-update'), 1, ['halted since'])
      expect(await headOf(computer)).toBe(two)
      const shown = await status(computer)
      expect(shown).toMatch(/^halted +at install, .*, in the rollback to 1\.1\.0 /m)
      expect(shown).toContain('it waits for you, or for a version newer than those that you roll back from')
      expect(shown).toMatch(/^held +1\.2\.0 \(\w+\): rolled back .* ago\n.* until there is a newer target$/m)

      if (isPinned) {
        expect(shown).toMatch(/^pinned +to 1\.1\.0 /m)
        expect((await computer.telec('telec', ['unpin'])).code).toBe(0)
      }
      rmSync(join(computer.folder, 'broken'))
      await computer.git('rm', '--quiet', 'broken')
      const four = await computer.push(version('1.2.1'))
      await updated(computer)
      expect(await headOf(computer)).toBe(four)
      expect(await status(computer)).not.toMatch(/^held/m)
    },
  )

  test('by releases goes back to the tag before, and takes none up to what it came from', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    const publish = (number: string) => computer.push(version(number), { tag: `v${number}` })
    const one = await publish('1.1.0')
    await updated(computer)
    await publish('1.2.0')
    await publish('1.3.0')
    await updated(computer)
    expect((await rollback(computer)).code).toBe(42)
    expect(await headOf(computer)).toBe(one)
    const explained = await computer.telec('telec-watch', ['--explain'])
    expect(explained.stdout).toMatch(/^ {2}1\.2\.0 .* is not newer than 1\.3\.0 .*, which was rolled back$/m)
    expect((await computer.telec('telec-update')).code).toBe(0)
    const four = await publish('1.3.1')
    await updated(computer)
    expect(await headOf(computer)).toBe(four)
  })
})

describe('a rollback is refused, and nothing has changed,', () => {
  async function refused(
    computer: Computer,
    code: number,
    parts: readonly string[],
    ...args: string[]
  ): Promise<void> {
    const state = () => [
      readTree(computer.checkout),
      computer.state('update_state.json'),
      computer.state('update_signal.json'),
    ]
    const before = [...state(), await headOf(computer)]
    expectFailure(await rollback(computer, ...args), code, parts)
    expect([...state(), await headOf(computer)]).toEqual(before)
  }

  test('where nothing was deployed before', async () => {
    await refused(await freshComputer(), 1, ['no deployment before 1.0.0', 'git revert'])
  })

  test('where migrations ran since, which it lists; with --force it goes, and undoes none', async () => {
    const computer = await freshComputer()
    await computer.push({ ...version('1.1.0'), ...markerMigration('1.1.0', '001_a.mjs') })
    await updated(computer)
    await refused(computer, 1, ['1 migration ran', '1.1.0/001_a.mjs', 'telec-update rollback --force'])
    expect((await rollback(computer, '--dry-run')).stdout).toContain('  1.1.0/001_a.mjs\n')
    const ended = await rollback(computer, '--force', '--json')
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(JSON.parse(ended.stdout)).toMatchObject({ migrations: ['1.1.0/001_a.mjs'] })
    expect(deployed(computer)).toBe('1.0.0')
    expect(await status(computer)).toContain('not undone: 1.1.0/001_a.mjs')
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
    expect(readTree(computer.home)['001_a.mjs.marker']).toBe('ran\n') // not once more
  })

  test('where local work is in the way, of either kind', async () => {
    const { computer, one } = await updatedOnce()
    writeFileSync(join(computer.checkout, 'package.json'), '{ "mine": true }\n')
    await refused(computer, 1, ['would overwrite 1 local file', 'package.json', '--stash'])
    const stashed = await rollback(computer, '--stash')
    expect(stashed, stashed.stderr).toMatchObject({ code: 42 })
    expect(await headOf(computer)).toBe(one)
    expect(await status(computer)).toMatch(/stashed +package.json/)

    const other = (await updatedOnce()).computer
    await other.gitInCheckout('commit', '--quiet', '--allow-empty', '--message', 'mine')
    await refused(other, 1, ['commits of its own', 'mine'])
  })

  test('where the commit before is not signed as it must be', async () => {
    const computer = await freshComputer({ initArgs: BETA })
    const signer = await sshSigner(computer.folder, 'ann')
    for (const number of ['1.1.0', '1.2.0']) {
      await computer.push(version(number))
      const kind = number === '1.1.0' ? ['--annotate'] : ['--sign']
      await gitAs(computer, signer, ['tag', ...kind, '--message', 'a release', `v${number}`])
      await computer.git('push', '--quiet', 'origin', `v${number}`)
      if (number === '1.1.0') await updated(computer)
    }
    const signers = keep(computer, 'allowed', signer.allowed)
    computer.writeConfig(
      `deployment:\n  channel: beta\n  checkout: ${computer.checkout}\n  verify: signed-tag\n  allowed_signers: ${signers}\n`,
    )
    await updated(computer)
    await refused(computer, 1, ['the tag v1.1.0 is not signed'])
  })

  test('while an update is under way, by its lock or by its journal', async () => {
    const { computer } = await updatedOnce([
      '--install',
      '"$TELEC_TEST_INSIDE" update rollback || echo "left with $?"',
    ])
    await computer.push(version('1.2.0'))
    await computer.telec('telec-watch')
    const script = join(computer.folder, 'inside')
    writeFileSync(
      script,
      `#!/bin/sh\nexec "${process.execPath}" "${join(import.meta.dirname, '../../dist/telec')}" "$@"\n`,
      {
        mode: 0o755,
      },
    )
    const ended = await computer.telec('telec-update', [], { env: { TELEC_TEST_INSIDE: script } })
    expect(ended.stderr).toContain('left with 75')
    const state = computer.state('update_state.json') as { last: object }
    const { last } = state
    computer.writeState('update_state.json', JSON.stringify({ ...state, update: last }))
    await refused(computer, 75, ['is under way', 'telec-update'])
  })
})

test('a rollback of a running service restarts it into the version before', async () => {
  const server = `process.on('SIGTERM', () => process.exit(42))
console.log('web ' + require('./package.json').version)
setInterval(() => {}, 60000)
`
  const computer = await freshComputer({ init: false })
  await computer.push({ 'server.js': server })
  await computer.gitInCheckout('pull', '--quiet')
  await computer.telec('telec', ['init', '--checkout', computer.checkout, '--service', 'web'])
  const run = await telecRun(computer, [process.execPath, 'server.js'])
  await computer.push(version('1.1.0'))
  expect((await watchAndUpdate(computer)).code).toBe(0)
  const ended = await rollback(computer)
  expect(ended, ended.stderr).toMatchObject({ code: 0 })
  expect(await run.stop()).toBe(42)
  expect(run.output().match(/^web .*$/gm)).toEqual(['web 1.0.0', 'web 1.1.0', 'web 1.0.0'])
})
