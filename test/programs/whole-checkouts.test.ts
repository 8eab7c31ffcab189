import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { execute, succeed } from '../helpers/programs.ts'
import { watchAndUpdate } from '../helpers/update.ts'

function configure(computer: Computer, more: string): void {
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n${more}`)
}

function read(computer: Computer, name: string): string {
  return readFileSync(join(computer.checkout, name), 'utf8')
}

async function expectUpdated(computer: Computer): Promise<string> {
  const ended = await watchAndUpdate(computer)
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  expect(await computer.gitInCheckout('status', '--porcelain')).toBe('')
  return ended.stderr
}

describe('a checkout of another kind keeps working', () => {
  test.each([
    ['shallow', ['--depth', '1']],
    ['partial', ['--filter=blob:none']],
    ['partial and without trees', ['--filter=tree:0']],
    ['of a single branch', ['--single-branch']],
  ])('%s', async (_, options) => {
    const computer = await freshComputer()
    await computer.push({ ...version('1.0.1'), 'a.txt': 'a\n' })
    rmSync(computer.checkout, { recursive: true })
    await succeed('git', ['-C', computer.remote, 'config', 'uploadpack.allowFilter', 'true'])
    await succeed('git', ['clone', '--quiet', ...options, `file://${computer.remote}`, computer.checkout])
    rmSync(join(computer.home, 'update_state.json'))
    for (const number of ['1.1.0', '1.2.0']) {
      const commit = await computer.push({ ...version(number), 'a.txt': `${number}\n` })
      await expectUpdated(computer)
      expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
      expect(read(computer, 'a.txt')).toBe(`${number}\n`)
    }
  })

  test('a linked work tree, also after a kill that left locks in the repository it is linked to', async () => {
    const computer = await freshComputer()
    const linked = `${computer.checkout}-linked`
    await computer.gitInCheckout('worktree', 'add', '--quiet', '-b', 'service', linked)
    computer.writeConfig(`deployment:\n  checkout: ${linked}\n`)
    rmSync(join(computer.home, 'update_state.json'))
    const commit = await computer.push({ ...version('1.1.0'), 'a.txt': 'new\n' })
    const ended = await watchAndUpdate(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(await succeed('git', ['-C', linked, 'rev-parse', 'HEAD'])).toBe(commit)
    expect(readFileSync(join(linked, 'a.txt'), 'utf8')).toBe('new\n')
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).not.toBe(commit)
  })
})

describe('files in git LFS', () => {
  async function withLargeFile(): Promise<Computer> {
    const computer = await freshComputer()
    const home = { ...computer.env, HOME: computer.folder, GIT_CONFIG_GLOBAL: '', GIT_CONFIG_NOSYSTEM: '1' }
    expect(
      (
        await execute('git', ['-C', join(computer.folder, 'work'), 'lfs', 'install', '--local'], {
          env: home,
        })
      ).code,
    ).toBe(0)
    await computer.git('lfs', 'track', '*.bin')
    await computer.push({ ...version('1.1.0'), 'large.bin': 'large\n' })
    return computer
  }

  test('are there after an update', async () => {
    const computer = await withLargeFile()
    await computer.gitInCheckout('lfs', 'install', '--local')
    await expectUpdated(computer)
    expect(read(computer, 'large.bin')).toBe('large\n')
    expect(await computer.gitInCheckout('cat-file', '-p', 'HEAD:large.bin')).toContain('git-lfs')
  })

  test('halt an update where git-lfs is missing, and nothing is touched', async () => {
    const computer = await withLargeFile()
    const bin = join(computer.folder, 'bin')
    mkdirSync(bin)
    for (const name of ['git', 'sh', 'flock', 'sync'])
      symlinkSync(await succeed('sh', ['-c', `command -v ${name}`]), join(bin, name))
    expect((await computer.telec('telec-watch')).code).toBe(0)
    const before = await computer.gitInCheckout('rev-parse', 'HEAD')
    const ended = await computer.telec('telec-update', [], { env: { PATH: bin } })
    expectFailure(ended, 1, ['files in git LFS', 'git-lfs is not installed'])
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(before)
  })
})

describe('mirrors', () => {
  async function withMirrors(names: readonly string[], channel = 'alpha'): Promise<Computer> {
    const computer = await freshComputer({ initArgs: ['--channel', channel] })
    for (const name of names)
      await succeed('git', ['clone', '--quiet', '--mirror', computer.remote, join(computer.folder, name)])
    const list = names.map((name) => `    - ${join(computer.folder, name)}\n`).join('')
    configure(computer, `  channel: ${channel}\n  mirrors:\n${list}`)
    return computer
  }
  const refresh = (computer: Computer, name: string) =>
    succeed('git', ['-C', join(computer.folder, name), 'fetch', '--quiet', '--prune', 'origin'])

  test.each(['alpha', 'beta'])(
    'on %s the first in reach answers where the remote does not',
    async (channel) => {
      const computer = await withMirrors(['gone.git', 'mirror.git'], channel)
      const commit = await computer.push(version('1.1.0'), { tag: 'v1.1.0' })
      await refresh(computer, 'mirror.git')
      rmSync(join(computer.folder, 'gone.git'), { recursive: true })
      renameSync(computer.remote, `${computer.remote}-away`)
      const watched = await computer.telec('telec-watch')
      expect(watched).toMatchObject({ code: 0 })
      expect(watched.stderr).toContain('mirror.git answers')
      expect((await computer.telec('telec-watch')).stderr).not.toContain('mirror.git answers') // it was said
      const updated = await computer.telec('telec-update')
      expect(updated, updated.stderr).toMatchObject({ code: 42 })
      expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
    },
  )

  test.each(['alpha', 'beta'])('on %s one that lacks the deployed version is skipped', async (channel) => {
    const computer = await withMirrors(['old.git'], channel)
    await computer.push(version('1.1.0'), { tag: 'v1.1.0' })
    expect((await watchAndUpdate(computer)).code).toBe(42)
    renameSync(computer.remote, `${computer.remote}-away`)
    expectFailure(await computer.telec('telec-watch'), 75, [
      'old.git: it lacks the deployed version',
      'out of reach',
    ])
    expect(computer.state('update_signal.json')).toBeNull()
    renameSync(`${computer.remote}-away`, computer.remote)
    await refresh(computer, 'old.git')
    renameSync(computer.remote, `${computer.remote}-away`)
    expect((await computer.telec('telec-watch')).code).toBe(0)
  })
})
