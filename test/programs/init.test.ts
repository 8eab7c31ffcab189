import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Computer } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { DIST, execute } from '../helpers/programs.ts'
import { type Exchange, inTerminal, KEY } from '../helpers/terminal.ts'
import { mode, readTree } from '../helpers/tree.ts'

const bare = () => freshComputer({ init: false })
const init = (computer: Computer, ...args: string[]) => computer.telec('telec', ['init', ...args])

/** The lines of the configuration that are not comments, without the comments at their ends. */
function settings(computer: Computer): string[] {
  const text = readFileSync(join(computer.home, 'config.yml'), 'utf8')
  return text
    .split('\n')
    .map((line) => line.replace(/(^|\s+)#.*$/, '').trimEnd())
    .filter(Boolean)
}

describe('telec init', () => {
  test('with a checkout alone writes that and the channel; all else are comments', async () => {
    const computer = await bare()
    const { code, stdout } = await init(computer, '--checkout', computer.checkout)
    expect(code).toBe(0)
    expect(stdout).toContain(join(computer.home, 'config.yml'))
    expect(settings(computer)).toEqual([
      'deployment:',
      '  channel: alpha',
      `  checkout: ${computer.checkout}`,
    ])
  })

  test('writes every flag that was given', async () => {
    const computer = await bare()
    const flags = {
      '--checkout': computer.checkout,
      '--channel': 'stable',
      '--pinned-minor': '1.10',
      '--remote': 'upstream',
      '--branch': 'release',
      '--install': 'npm ci && npm run build',
      '--service': 'web.service',
      '--scope': 'user',
      '--computer': 'studio-2',
    }
    expect((await init(computer, ...Object.entries(flags).flat())).code).toBe(0)
    expect(settings(computer)).toEqual([
      'computer: studio-2',
      'deployment:',
      '  channel: stable',
      '  pinned_minor: "1.10"',
      `  checkout: ${computer.checkout}`,
      '  remote: upstream',
      '  branch: release',
      '  install: npm ci && npm run build',
      'service:',
      '  name: web.service',
      '  scope: user',
    ])
  })

  test('writes several units in their order, however they are given', async () => {
    for (const flags of [
      ['--service', 'web.service', 'worker.service', '--scope', 'user'],
      ['--service', 'web.service', '--scope', 'user', '--service', 'worker.service'],
    ]) {
      const computer = await bare()
      expect((await init(computer, '--checkout', computer.checkout, ...flags)).code).toBe(0)
      expect(settings(computer).slice(-2)).toEqual(['  name: [web.service, worker.service]', '  scope: user'])
    }
  })

  test('explains each key beside it', async () => {
    const computer = await freshComputer()
    const text = readFileSync(join(computer.home, 'config.yml'), 'utf8')
    expect(text).toContain('It never rewrites this file')
    for (const key of ['computer', 'channel', 'checkout', 'remote', 'branch', 'install', 'poll_every'])
      expect(text).toMatch(new RegExp(`^ *(# )?${key}: .* # .+$`, 'm'))
  })

  test('takes the checked-out commit as the deployed version, and its version as the baseline', async () => {
    const computer = await freshComputer()
    const commit = await computer.gitInCheckout('rev-parse', 'HEAD')
    expect(computer.state('update_state.json')).toMatchObject({
      deployed: { version: '1.0.0', ref: 'refs/heads/main', commit },
      update: null,
      halted: null,
    })
    expect(computer.state('migration_state.json')).toEqual({
      schema: 1,
      applied: [],
      baseline: '1.0.0',
      details: {},
    })
  })

  test('says the same as JSON', async () => {
    const computer = await freshComputer({ init: false })
    const args = ['init', '--json', '--checkout', computer.checkout]
    const { code, stdout } = await computer.telec('telec', args)
    expect(code).toBe(0)
    const { deployed } = computer.state('update_state.json') as { deployed: object }
    expect(JSON.parse(stdout)).toMatchObject({ config: join(computer.home, 'config.yml'), deployed })
  })

  test('keeps what it writes to its user', async () => {
    const { home } = await freshComputer()
    expect(mode(home)).toBe('700')
    for (const name of Object.keys(readTree(home))) expect(mode(join(home, name))).toBe('600')
  })

  test('leaves nothing else behind', async () => {
    const { home } = await freshComputer()
    expect(Object.keys(readTree(home))).toEqual([
      'config.yml',
      'migration_state.json',
      'telec.lock',
      'update_state.json',
    ])
  })

  test('takes a path as it is meant in the folder where it is typed', async () => {
    const computer = await bare()
    const { code } = await computer.telec('telec', ['init', '--checkout', 'app'], { cwd: computer.folder })
    expect(code).toBe(0)
    expect(settings(computer)).toContain(`  checkout: ${computer.checkout}`)
  })

  test('never overwrites a configuration, not even one that is wrong', async () => {
    const computer = await freshComputer()
    computer.writeConfig('mine: {\n# not yet\n')
    const before = readTree(computer.home)
    expectFailure(await init(computer, '--checkout', computer.checkout), 2, [
      join(computer.home, 'config.yml'),
      'telec init does not overwrite it',
    ])
    expect(readTree(computer.home)).toEqual(before)
  })

  test('keeps the record of a computer whose configuration was moved away', async () => {
    const computer = await freshComputer()
    await computer.push({ 'more.txt': 'more\n' })
    await computer.gitInCheckout('pull', '--quiet')
    const before = computer.state('update_state.json')
    await execute('rm', [join(computer.home, 'config.yml')])
    expect((await init(computer, '--checkout', computer.checkout)).code).toBe(0)
    expect(computer.state('update_state.json')).toEqual(before)
  })
})

describe('telec init writes nothing', () => {
  test.each<[string, number, (computer: Computer) => string[], string[]]>([
    [
      'for a checkout that is not there',
      78,
      ({ folder }) => ['--checkout', join(folder, 'none')],
      ['none', 'not a folder'],
    ],
    [
      'for a folder that is no git work tree',
      78,
      ({ folder }) => ['--checkout', folder],
      ['not a git work tree'],
    ],
    ['for a bare repository', 78, ({ remote }) => ['--checkout', remote], ['not a git work tree']],
    [
      'for stable without a minor version',
      78,
      ({ checkout }) => ['--checkout', checkout, '--channel', 'stable'],
      ['pinned_minor'],
    ],
    [
      'for a minor version with alpha',
      78,
      ({ checkout }) => ['--checkout', checkout, '--pinned-minor', '1.4'],
      ['pinned_minor'],
    ],
    [
      'for a computer with a blank in its name',
      78,
      ({ checkout }) => ['--checkout', checkout, '--computer', 'my mac'],
      ['"my mac"'],
    ],
    ['without a checkout where nobody can be asked', 2, () => [], ['--checkout PATH']],
  ])('%s', async (_, code, args, parts) => {
    const computer = await bare()
    expectFailure(await init(computer, ...args(computer)), code, parts)
    expect(existsSync(join(computer.home, 'config.yml'))).toBe(false)
    expect(existsSync(join(computer.home, 'update_state.json'))).toBe(false)
  })

  test('for a repository without a commit', async () => {
    const computer = await bare()
    await computer.git('init', '--quiet', join(computer.folder, 'empty'))
    const ended = await init(computer, '--checkout', join(computer.folder, 'empty'))
    expectFailure(ended, 78, ['empty', 'no commit'])
    expect(existsSync(join(computer.home, 'config.yml'))).toBe(false)
  })

  test('for a channel that there is not', async () => {
    const computer = await bare()
    const { code, stderr } = await init(computer, '--checkout', computer.checkout, '--channel', 'gamma')
    expect(code).toBe(2)
    expect(stderr).toContain("'gamma' is invalid")
    expect(stderr).toContain('alpha, beta, stable')
    expect(existsSync(computer.home)).toBe(false)
  })
})

describe('in a terminal', () => {
  const dialogue = (answers: readonly Exchange[], computer: Computer) =>
    inTerminal(answers, [process.execPath, join(DIST, 'telec'), 'init'], {
      cwd: computer.folder,
      env: { ...computer.env, TERM: 'xterm' },
    })

  test('telec init asks for what it needs', async () => {
    const computer = await bare()
    const ended = await dialogue(
      [
        ['Which git checkout', `${computer.checkout}${KEY.enter}`],
        ['What should this computer follow', `${KEY.down}${KEY.down}${KEY.enter}`],
        ['Which minor version', `1.4${KEY.enter}`],
        ['What installs', `npm ci${KEY.enter}`],
        ['Which systemd unit', `web.service${KEY.enter}`],
      ],
      computer,
    )
    expect(ended.code, ended.stdout).toBe(0)
    expect(settings(computer)).toEqual([
      'deployment:',
      '  channel: stable',
      '  pinned_minor: "1.4"',
      `  checkout: ${computer.checkout}`,
      '  install: npm ci',
      'service:',
      '  name: web.service',
    ])
  })

  test('several units can be named in one answer', async () => {
    const computer = await bare()
    const ended = await dialogue(
      [
        ['Which git checkout', `${computer.checkout}${KEY.enter}`],
        ['What should this computer follow', KEY.enter],
        ['What installs', KEY.enter],
        ['Which systemd units', `web.service, worker.service${KEY.enter}`],
      ],
      computer,
    )
    expect(ended.code, ended.stdout).toBe(0)
    expect(settings(computer).at(-1)).toBe('  name: [web.service, worker.service]')
  })

  test('an Enter is enough where there is a default, and the checkout one stands in is offered', async () => {
    const computer = await bare()
    const ended = await inTerminal(
      ['Which git checkout', 'What should this', 'What installs', 'Which systemd unit'].map((shown) => [
        shown,
        KEY.enter,
      ]),
      [process.execPath, join(DIST, 'telec'), 'init'],
      { cwd: computer.checkout, env: { ...computer.env, TERM: 'xterm' } },
    )
    expect(ended.code, ended.stdout).toBe(0)
    expect(settings(computer)).toEqual([
      'deployment:',
      '  channel: alpha',
      `  checkout: ${computer.checkout}`,
    ])
  })

  test('Ctrl-C at a question leaves nothing behind', async () => {
    const computer = await bare()
    mkdirSync(computer.home)
    const ended = await dialogue([['Which git checkout', KEY.interrupt]], computer)
    expect(ended.code).toBe(2)
    expect(ended.stdout).toContain('nothing was written')
    expect(readTree(computer.home)).toEqual({})
  })
})
