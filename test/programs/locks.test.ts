import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { until } from '../helpers/until.ts'
import { watchAndUpdate } from '../helpers/update.ts'

const LONG_AGO = new Date('2001-01-01T00:00:00Z')

function lockIn(computer: Computer, name: string, time?: Date): string {
  const path = join(computer.checkout, '.git', name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, '')
  if (time) utimesSync(path, time, time)
  return path
}

/** A git that holds the checkout's index.lock until its editor ends. */
async function personAtWork(computer: Computer): Promise<number> {
  const identity = ['-c', 'user.name=A', '-c', 'user.email=a@example.org', '-c', 'core.editor=sleep 300;:']
  const options = ['-C', computer.checkout, ...identity, 'commit', '--allow-empty', '--all']
  const git = spawn('git', options, { stdio: 'ignore', detached: true })
  onTestFinished(() => {
    process.kill(-(git.pid ?? 0), 'SIGKILL')
  })
  await until('its lock', async () => existsSync(join(computer.checkout, '.git/index.lock')))
  return git.pid ?? 0
}

describe('a lock of git that is older than the boot', () => {
  test.each([
    'index.lock',
    'HEAD.lock',
    'ORIG_HEAD.lock',
    'config.lock',
    'packed-refs.lock',
    'packed-refs.new',
    'shallow.lock',
    'gc.pid.lock',
    'refs/heads/main.lock',
    'refs/telec/kept/heads%2Fmain.lock',
    'refs/remotes/origin/main.lock',
    'logs/HEAD.lock',
    'objects/maintenance.lock',
    'objects/info/commit-graph.lock',
    'modules/lib/index.lock',
  ])('is removed, and that is said: %s', async (name) => {
    const computer = await freshComputer()
    const lock = lockIn(computer, name, LONG_AGO)
    const commit = await computer.push(version('1.1.0'))
    const ended = await watchAndUpdate(computer)
    expect(ended.code, ended.stderr).toBe(42)
    expect(ended.stderr).toContain(`removed stale locks: ${name}`)
    expect(existsSync(lock)).toBe(false)
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
  })

  test('is left alone, with the others, while a git is at work in the checkout', async () => {
    const computer = await freshComputer()
    const pid = await personAtWork(computer)
    const other = lockIn(computer, 'config.lock', LONG_AGO)
    const index = lockIn(computer, 'index.lock', LONG_AGO) // as where the clock was set after git began
    await computer.push(version('1.1.0'))
    expectFailure(await watchAndUpdate(computer), 75, ['another git is at work', `git, pid ${pid}, of `])
    for (const lock of [other, index]) expect(statSync(lock).mtime).toEqual(LONG_AGO)
  })

  test('is removed although a git is there that takes none', async () => {
    const computer = await freshComputer()
    lockIn(computer, 'index.lock', LONG_AGO)
    const reader = spawn('git', ['cat-file', '--batch'], {
      cwd: computer.checkout,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    onTestFinished(() => {
      reader.kill()
    })
    await computer.push(version('1.1.0'))
    expect((await watchAndUpdate(computer)).code).toBe(42)
  })
})

describe('a lock of git from a program of telec’s that has exited', () => {
  /** It takes a lock, as its git would, and telec is killed. */
  const killTelec = (lock: string) =>
    `touch '${lock}'; kill -9 $(sed -n 's/^.*, pid \\([0-9]*\\),.*/\\1/p' "$TELEC_HOME/telec.lock"); sleep 60`

  test('is removed after a killed install command', async () => {
    const computer = await freshComputer()
    const lock = join(computer.checkout, '.git/index.lock')
    const configure = (install: string) =>
      computer.writeConfig(
        `deployment:\n  checkout: ${computer.checkout}\n  install: ${JSON.stringify(install)}\n`,
      )
    configure(killTelec(lock))
    await computer.push(version('1.1.0'))
    expect((await watchAndUpdate(computer)).signal).toBe('SIGKILL')
    expect(existsSync(lock)).toBe(true)
    configure('git checkout --quiet --force HEAD -- .')
    const ended = await computer.telec('telec-update')
    expect(ended.code, ended.stderr).toBe(42)
    expect(ended.stderr).toContain('removed stale locks: index.lock')
  })

  test('is removed after a telec-migrate that a user ran, and another one since', async () => {
    const computer = await freshComputer()
    const lock = join(computer.checkout, '.git/index.lock')
    const script = `#!/bin/sh\n[ "$1" = check ] && exit 1\n${killTelec(lock)}\n`
    await computer.push({ ...version('1.1.0'), 'migrations/v1.1.0/001_git.sh': script })
    await computer.gitInCheckout('pull', '--quiet')
    expect((await computer.telec('telec-migrate')).signal).toBe('SIGKILL')
    await computer.telec('telec-migrate', ['mark', '1.1.0/001_git.sh', '--applied', '--yes'])
    await computer.push(version('1.2.0'))
    const ended = await watchAndUpdate(computer)
    expect(ended.code, ended.stderr).toBe(42)
    expect(ended.stderr).toContain('removed stale locks: index.lock')
  })

  test('is not removed after one that came to its end', async () => {
    const computer = await freshComputer()
    await computer.telec('telec-migrate')
    const lock = lockIn(computer, 'index.lock')
    await computer.push(version('1.1.0'))
    expectFailure(await watchAndUpdate(computer), 75, [`rm ${lock}`, 'no git runs there'])
    expect(existsSync(lock)).toBe(true)
  })
})
