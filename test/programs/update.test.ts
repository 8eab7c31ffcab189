import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { localTime } from '../../src/system/local-time.ts'
import { type Computer, markerMigration, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { requireTool } from '../helpers/missing-tool.ts'
import { DIST, execute, succeed } from '../helpers/programs.ts'
import { mode } from '../helpers/tree.ts'
import { halted, untouched, watchAndUpdate } from '../helpers/update.ts'

/** An install command that counts its runs, and fails while there is no file `fine` in the telec home. */
const COUNTING = ['--install', 'echo run >> "$TELEC_HOME/runs"; test -e "$TELEC_HOME/fine"']

function runs(computer: Computer): number {
  return readFileSync(join(computer.home, 'runs'), 'utf8').split('\n').length - 1
}

describe('an update', () => {
  test('brings the checkout to the pushed commit, records it, and removes the signal', async () => {
    const computer = await freshComputer()
    const commit = await computer.push({ ...version('1.1.0'), 'new.txt': 'new\n', 'server.js': null })
    const ended = await watchAndUpdate(computer)
    expect(ended.code).toBe(42)
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
    expect(await computer.gitInCheckout('symbolic-ref', '--short', 'HEAD')).toBe('main')
    expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
    expect(computer.state('update_signal.json')).toBeNull()
    expect(computer.state('update_state.json')).toMatchObject({
      deployed: { version: '1.1.0', ref: 'refs/heads/main', commit },
      update: null,
      halted: null,
    })
  })

  test('is done: telec-update after it has nothing to do', async () => {
    const computer = await freshComputer()
    await computer.push(version('1.1.0'))
    expect((await watchAndUpdate(computer)).code).toBe(42)
    const state = computer.state('update_state.json')
    expect(await computer.telec('telec-update')).toMatchObject({ code: 0, stderr: '' })
    expect(computer.state('update_state.json')).toEqual(state)
  })

  test('reports updating, migrating, installing, restarting and updated, in that order', async () => {
    requireTool('strace', 'strace')
    const computer = await freshComputer()
    await computer.push({ ...version('1.1.0'), ...markerMigration('1.1.0', '001_first.mjs') })
    await computer.telec('telec-watch')
    const trace = join(computer.folder, 'trace')
    const program = [process.execPath, join(DIST, 'telec-update')]
    const strace = ['-f', '-qq', '-s', '400', '-e', 'trace=write,pwrite64', '-o', trace]
    const { code } = await execute('strace', [...strace, ...program], { env: computer.env })
    expect(code).toBe(42)
    const written = [...readFileSync(trace, 'utf8').matchAll(/\\"status\\": \\"(\w+)\\"/g)].map(
      ([, name]) => name,
    )
    const inOrder = written.filter((name, index) => name !== written[index - 1])
    expect(inOrder).toEqual(['updating', 'migrating', 'installing', 'restarting', 'updated'])
  })

  test('leaves a status that other tools can read', async () => {
    const computer = await freshComputer({ initArgs: ['--computer', 'studio'] })
    const commit = await computer.push(version('1.1.0'))
    await watchAndUpdate(computer)
    const status = computer.state('status.json')
    expect(status).toMatchObject({
      computer: 'studio',
      status: 'updated',
      timestamp: expect.any(Number),
      channel: 'alpha',
      from: '1.0.0',
      version: '1.1.0',
      commit,
      error: null,
      migration: null,
    })
    // Seconds, not milliseconds.
    expect(Math.abs(Number(status?.timestamp) - Date.now() / 1000)).toBeLessThan(600)
    expect(mode(join(computer.home, 'status.json'))).toBe('600')
  })

  test('runs the migrations before the install command, both of them on the new code', async () => {
    const computer = await freshComputer({
      initArgs: ['--install', 'cat $TELEC_HOME/001_a.mjs.marker new.txt > $TELEC_HOME/seen'],
    })
    await computer.push({ ...version('1.1.0'), 'new.txt': 'new\n', ...markerMigration('1.1.0', '001_a.mjs') })
    const ended = await watchAndUpdate(computer)
    expect(ended.code).toBe(42)
    expect(readFileSync(join(computer.home, 'seen'), 'utf8')).toBe('ran\nnew\n')
  })

  test('shows line by line what the install command prints', async () => {
    const computer = await freshComputer({ initArgs: ['--install', 'echo one; echo two >&2'] })
    await computer.push(version('1.1.0'))
    expect((await watchAndUpdate(computer)).stderr).toMatch(/^ {2}\| one$[\s\S]*^ {2}\| two$/m)
  })

  test('to a release leaves the checkout at its tag, on no branch', async () => {
    const computer = await freshComputer({ initArgs: ['--channel', 'beta'] })
    const commit = await computer.push(version('1.1.0'), { tag: 'v1.1.0' })
    await computer.push(version('1.2.0-dev'))
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
    expect(await computer.gitInCheckout('branch', '--show-current')).toBe('')
    expect(computer.state('update_state.json')).toMatchObject({
      deployed: { version: '1.1.0', ref: 'refs/tags/v1.1.0', commit },
    })
  })

  test('does not run hooks, neither those in .git nor those that are tracked', async () => {
    const computer = await freshComputer()
    const hook = `#!/bin/sh\ntouch ${computer.folder}/hooked\n`
    const names = [
      'post-checkout',
      'post-merge',
      'pre-merge-commit',
      'reference-transaction',
      'post-index-change',
    ]
    const tracked = Object.fromEntries(names.map((name) => [`.hooks/${name}`, hook]))
    await computer.push(tracked)
    await computer.gitInCheckout('pull', '--quiet')
    await computer.gitInCheckout('config', 'core.hooksPath', '.hooks')
    await succeed('chmod', ['-R', '+x', join(computer.checkout, '.hooks')])
    await computer.push(version('1.1.0'))
    await watchAndUpdate(computer)
    await computer.gitInCheckout('config', '--unset', 'core.hooksPath')
    for (const name of names)
      writeFileSync(join(computer.checkout, '.git/hooks', name), hook, { mode: 0o755 })
    await computer.push(version('1.2.0'))
    await watchAndUpdate(computer)
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { version: '1.2.0' } })
    expect((await execute('test', ['-e', join(computer.folder, 'hooked')])).code).toBe(1)
  })
})

describe('an update that failed', () => {
  test('in the install command halts with its last lines, its exit code, and the signal in place', async () => {
    const computer = await freshComputer({ initArgs: ['--install', 'echo no space for leptons; exit 3'] })
    const commit = await computer.push(version('1.1.0'))
    expectFailure(await watchAndUpdate(computer), 1, [
      'exit code 3',
      'no space for leptons',
      'telec-update --retry',
    ])
    expect(computer.state('status.json')).toMatchObject({ status: 'update_failed', step: 'install', commit })
    expect(computer.state('update_signal.json')).toMatchObject({ target: { commit } })
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { version: '1.0.0' } })
    expect(halted(computer)).toMatchObject({
      step: 'install',
      transient: false,
      attempts: 1,
      next_try_at: null,
    })
  })

  test('is not retried automatically: telec-update exits with 1 and does no work', async () => {
    const computer = await freshComputer({ initArgs: COUNTING })
    await computer.push(version('1.1.0'))
    await watchAndUpdate(computer)
    const before = [computer.state('update_state.json'), computer.state('status.json')]
    expectFailure(await watchAndUpdate(computer), 1, ['halted since', 'install', 'telec-update --retry'])
    expect(runs(computer)).toBe(1)
    expect([computer.state('update_state.json'), computer.state('status.json')]).toEqual(before)
  })

  test('is tried again with --retry, and done once its cause is fixed', async () => {
    const computer = await freshComputer({ initArgs: COUNTING })
    await computer.push(version('1.1.0'))
    await watchAndUpdate(computer)
    expectFailure(await computer.telec('telec-update', ['--retry']), 1)
    expect(halted(computer)).toMatchObject({ attempts: 2 })
    appendFileSync(join(computer.home, 'fine'), '')
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
    expect(runs(computer)).toBe(3)
    expect(computer.state('update_state.json')).toMatchObject({
      deployed: { version: '1.1.0' },
      halted: null,
    })
  })

  test('does not keep a newer one from being taken', async () => {
    const computer = await freshComputer({ initArgs: ['--install', 'test ! -e broken'] })
    await computer.push({ ...version('1.1.0'), broken: '' })
    expectFailure(await watchAndUpdate(computer), 1)
    const commit = await computer.push({ ...version('1.1.1'), broken: null })
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(computer.state('update_state.json')).toMatchObject({
      deployed: { commit },
      update: null,
      halted: null,
    })
    expect(computer.state('update_signal.json')).toBeNull()
  })

  test('without the remote waits, and retries automatically', async () => {
    const computer = await freshComputer()
    await computer.push(version('1.1.0'))
    await computer.telec('telec-watch')
    await computer.gitInCheckout('remote', 'set-url', 'origin', join(computer.folder, 'gone.git'))
    const before = await untouched(computer)
    expectFailure(await computer.telec('telec-update'), 75, ['out of reach'])
    expect(halted(computer)).toMatchObject({
      step: 'fetch',
      transient: true,
      next_try_at: expect.any(String),
    })
    expectFailure(await computer.telec('telec-update'), 75, ['waiting until'])
    expect(await untouched(computer)).toEqual(before)
    await computer.gitInCheckout('remote', 'set-url', 'origin', computer.remote)
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
  })
})

test('an update that has moved the checkout ends, also on another channel by then', async () => {
  const computer = await freshComputer({ initArgs: COUNTING })
  const pushed = await computer.push(version('1.1.0'))
  expect(await watchAndUpdate(computer)).toMatchObject({ code: 1 })
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  channel: beta\n`)
  expectFailure(await watchAndUpdate(computer), 1, ['halted since'])
  expect(await computer.telec('telec-update', ['--retry'])).toMatchObject({ code: 42 })
  expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit: pushed }, halted: null })
})

test('a second telec-update exits with 75 and names the first, which continues undisturbed', async () => {
  const computer = await freshComputer({ initArgs: ['--install', 'cat begun > /dev/null; cat go'] })
  for (const name of ['begun', 'go']) await succeed('mkfifo', [join(computer.checkout, name)])
  await computer.push(version('1.1.0'))
  await computer.telec('telec-watch')
  const first = computer.telec('telec-update')
  await writeFile(join(computer.checkout, 'begun'), 'is read by the install command\n')
  const holder = await readFile(join(computer.home, 'telec.lock'), 'utf8')
  expect(holder).toMatch(/^telec-update, pid \d+, since /)
  const said = holder.trim().replace(/\S+Z$/, localTime)
  expectFailure(await computer.telec('telec-update'), 75, ['another telec is at work', said])
  expectFailure(await computer.telec('telec-migrate'), 75, [said])
  await writeFile(join(computer.checkout, 'go'), 'go on\n')
  expect((await first).code).toBe(42)
})
