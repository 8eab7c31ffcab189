import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { succeed } from '../helpers/programs.ts'
import { readTree } from '../helpers/tree.ts'
import { watchAndUpdate } from '../helpers/update.ts'

/** A program that leaves a trace where it is run, outside the checkout. */
function trap(computer: Computer): { script: string; wasRun: () => boolean } {
  const trace = join(computer.folder, 'was-run')
  const script = join(computer.folder, 'trap.sh')
  writeFileSync(script, `#!/bin/sh\necho "$0 $*" >>${trace}\nexit 0\n`)
  chmodSync(script, 0o755)
  return { script, wasRun: () => existsSync(trace) }
}

async function expectUpdated(computer: Computer, env: NodeJS.ProcessEnv = {}): Promise<void> {
  const commit = await computer.git('rev-parse', 'HEAD')
  const watched = await computer.telec('telec-watch', [], { env })
  expect(watched, watched.stderr).toMatchObject({ code: 0 })
  const ended = await computer.telec('telec-update', [], { env })
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
}

describe('nothing of the checkout is run by git', () => {
  test.each([
    ['core.fsmonitor', (script: string) => script],
    ['core.alternateRefsCommand', (script: string) => script],
    ['submodule.recurse', () => 'true'],
    ['merge.ff', () => 'false'],
    ['core.editor', (script: string) => script],
    ['core.pager', (script: string) => script],
    ['merge.verifySignatures', () => 'false'],
  ])('a setting such as %s', async (key, value) => {
    const computer = await freshComputer()
    const { script, wasRun } = trap(computer)
    await computer.gitInCheckout('config', key, value(script))
    await computer.push(version('1.1.0'))
    await expectUpdated(computer)
    expect(wasRun()).toBe(false)
  })

  test('attributes that name filters, merge and diff drivers which nobody configured', async () => {
    const computer = await freshComputer()
    await computer.push({
      ...version('1.1.0'),
      '.gitattributes': '* filter=evil merge=evil diff=evil\n',
      'a.txt': 'a\n',
    })
    await expectUpdated(computer)
    expect(readTree(computer.checkout)['a.txt']).toBe('a\n')
  })

  test('links that lead out of it are links, and nothing is written through them', async () => {
    const computer = await freshComputer()
    const outside = join(computer.folder, 'outside')
    mkdirSync(outside)
    await computer.git('config', 'core.symlinks', 'true')
    await succeed('ln', ['-s', outside, join(computer.folder, 'work/data')])
    await computer.push(version('1.1.0'))
    await expectUpdated(computer)
    rmSync(join(computer.folder, 'work/data'))
    await computer.push({ ...version('1.2.0'), 'data/x.txt': 'x\n' })
    await expectUpdated(computer)
    expect(readTree(outside)).toEqual({})
    expect(readTree(computer.checkout)['data/x.txt']).toBe('x\n')
  })
})

describe('the environment of telec does not redirect git', () => {
  test.each<[string, (computer: Computer, script: string) => NodeJS.ProcessEnv]>([
    [
      'another repository',
      ({ folder }) => ({ GIT_DIR: join(folder, 'work/.git'), GIT_WORK_TREE: join(folder, 'work') }),
    ],
    ['another index', ({ folder }) => ({ GIT_INDEX_FILE: join(folder, 'index') })],
    ['other objects', ({ folder }) => ({ GIT_OBJECT_DIRECTORY: join(folder, 'objects') })],
    [
      'other programs',
      ({ folder }, script) => ({
        GIT_EXEC_PATH: folder,
        GIT_EXTERNAL_DIFF: script,
        GIT_PROXY_COMMAND: script,
      }),
    ],
    ['another ssh', (_, script) => ({ GIT_SSH: script })],
    [
      'settings',
      (_, script) => ({
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'core.fsmonitor',
        GIT_CONFIG_VALUE_0: script,
      }),
    ],
    [
      'traces',
      ({ folder }) => ({ GIT_TRACE: join(folder, 'was-run'), GIT_TRACE_PACKET: join(folder, 'was-run') }),
    ],
    ['another language', () => ({ LC_ALL: 'de_DE.UTF-8', LANGUAGE: 'de' })],
  ])('%s in the environment', async (_, environment) => {
    const computer = await freshComputer()
    const { script, wasRun } = trap(computer)
    await computer.push(version('1.1.0'))
    await expectUpdated(computer, environment(computer, script))
    expect(wasRun()).toBe(false)
  })

  test('a repository around a checkout whose own is broken is not touched', async () => {
    const computer = await freshComputer()
    await succeed('git', ['init', '--quiet', computer.folder])
    const head = join(computer.checkout, '.git/HEAD')
    renameSync(head, `${head}.away`)
    writeFileSync(head, '') // as a power cut leaves it
    await computer.push(version('1.1.0'))
    const outer = () => readTree(join(computer.folder, '.git'))
    const before = outer()
    expectFailure(await watchAndUpdate(computer), 1, ['not a git repository', computer.checkout])
    expect(outer()).toEqual(before)
    renameSync(`${head}.away`, head)
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
  })

  test('a remote by a command is refused', async () => {
    const computer = await freshComputer()
    const { script, wasRun } = trap(computer)
    await computer.gitInCheckout('config', 'protocol.ext.allow', 'always')
    await computer.gitInCheckout('remote', 'set-url', 'origin', `ext::${script}`)
    expectFailure(await computer.telec('telec-watch'), 75, ['out of reach', "'ext' not allowed"])
    expect(wasRun()).toBe(false)
  })
})

describe('refs that look like something else', () => {
  test('a branch named like a commit, and others like options, mislead nobody', async () => {
    const computer = await freshComputer()
    const first = await computer.git('rev-parse', 'HEAD')
    const commit = await computer.push(version('1.1.0'))
    await computer.git(
      'push',
      '--quiet',
      'origin',
      `HEAD:refs/heads/${first}`,
      'HEAD:refs/tags/--orphan=evil',
      'HEAD:refs/tags/-f',
    )
    await expectUpdated(computer)
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
    expect(await computer.gitInCheckout('tag', '--list')).toBe('')
    expect(await computer.gitInCheckout('for-each-ref', '--format=%(refname)', 'refs/telec')).toBe(
      'refs/telec/kept/heads%2Fmain',
    )
  })

  test('a tag by the name of a branch is not taken for it, nor a branch for a tag', async () => {
    const computer = await freshComputer({ initArgs: ['--channel', 'beta'] })
    const release = await computer.push(version('1.1.0'), { tag: 'v1.1.0' })
    await computer.push(version('1.2.0'))
    await computer.git(
      'push',
      '--quiet',
      'origin',
      'HEAD:refs/heads/v1.1.0',
      'HEAD:refs/heads/v9.0.0',
      'HEAD:refs/tags/main',
    )
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(release)
  })
})
