import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, markerMigration, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { bundles, DIST, type Ended, execute, type ProgramName } from '../helpers/programs.ts'
import { keep, sshSigner } from '../helpers/signing.ts'
import { telecRun } from '../helpers/supervised.ts'

/** What `telec status --json` says of a halt, as far as it does not depend on the kind. */
interface Halted {
  step: string
  error: string
  because: string | null
  hint: string
  at: string
  go_on: string
  left: {
    checkout: { commit: string; at: string }
    service: { restarted: string; note: string | null }
    migrations: string[] | null
  }
}

interface Expected {
  readonly step: string
  /** A part of what failed, or of why. */
  readonly cause: string
  readonly checkout: 'deployed' | 'target' | 'half-way' | 'elsewhere'
  readonly restarted?: 'yes' | 'no' | 'asked'
  readonly migrations?: string[]
  readonly goOn?: string
}

interface Kind extends Expected {
  readonly initArgs?: string[]
  /** Brings a computer at 1.0.0 to where telec-update halts. */
  readonly arrange: (computer: Computer) => Promise<unknown>
  readonly run?: (computer: Computer) => Promise<Ended>
}

const push = (computer: Computer, more: Record<string, string | null> = {}) =>
  computer.push({ ...version('1.1.0'), ...more })
const script = (check: boolean, migrate: string) => ({
  'migrations/v1.1.0/002_b.mjs': `export const check = () => ${check}\nexport const migrate = () => ${migrate}\n`,
})
const FIRST = markerMigration('1.1.0', '001_a.mjs')
const BETA = ['--channel', 'beta']

/** Signals a target as a poll would, that a poll would not signal. */
async function signal(computer: Computer, number: string, ref: string, commit: string): Promise<void> {
  const target = { version: number, ref, commit }
  const channel = ref.startsWith('refs/tags/') ? 'beta' : 'alpha'
  const from = { version: '1.0.0', commit }
  const at = new Date().toISOString()
  computer.writeState(
    'update_signal.json',
    JSON.stringify({ channel, from, target, detected_at: at, source: 'a test' }),
  )
}

const KINDS: Record<string, Kind> = {
  'another git at work': {
    arrange: async (computer) => {
      await push(computer)
      writeFileSync(join(computer.checkout, '.git/index.lock'), '')
    },
    step: 'preflight',
    cause: 'another git is at work',
    checkout: 'deployed',
  },
  'a remote that is out of reach': {
    arrange: async (computer) => {
      await signal(computer, '1.1.0', 'refs/heads/main', await push(computer))
      await computer.gitInCheckout('remote', 'set-url', 'origin', join(computer.folder, 'gone.git'))
    },
    step: 'fetch',
    cause: 'out of reach',
    checkout: 'deployed',
  },
  'a target that is offered no more': {
    initArgs: BETA,
    arrange: async (computer) => {
      const commit = await computer.git('rev-parse', 'HEAD')
      await computer.push(version('1.1.0'), { tag: 'v1.1.0' })
      await signal(computer, '1.1.0', 'refs/tags/v1.1.0', commit.replace(/^..../, '0000'))
    },
    step: 'fetch',
    cause: 'no longer available',
    checkout: 'deployed',
    goOn: 'telec-watch',
  },
  'a branch that was rewritten': {
    arrange: async (computer) => {
      await computer.git('commit', '--quiet', '--amend', '--message', 'another history')
      await computer.git('push', '--quiet', '--force', 'origin', 'HEAD:main')
    },
    step: 'verify',
    cause: 'main was rewritten',
    checkout: 'deployed',
    goOn: 'telec-update --accept-rewrite',
  },
  'a target that is older': {
    initArgs: BETA,
    arrange: async (computer) => {
      const commit = await computer.push(version('0.9.0'), { tag: 'v0.9.0' })
      await signal(computer, '0.9.0', 'refs/tags/v0.9.0', commit)
    },
    step: 'verify',
    cause: 'older than 1.0.0',
    checkout: 'deployed',
    goOn: 'telec-update --allow-downgrade',
  },
  'commits of its own': {
    arrange: async (computer) => {
      await push(computer)
      await computer.gitInCheckout('commit', '--quiet', '--allow-empty', '--message', 'mine')
    },
    step: 'verify',
    cause: 'commits of its own',
    checkout: 'elsewhere',
  },
  'local changes': {
    arrange: async (computer) => {
      await push(computer)
      writeFileSync(join(computer.checkout, 'package.json'), '{}')
    },
    step: 'verify',
    cause: 'package.json',
    checkout: 'deployed',
    goOn: 'telec-update --stash',
  },
  'commits that are not signed': {
    arrange: async (computer) => {
      await push(computer)
      const { allowed } = await sshSigner(computer.folder, 'ann')
      const signers = keep(computer, 'allowed', allowed)
      computer.writeConfig(
        `deployment:\n  checkout: ${computer.checkout}\n  verify: signed-commit\n  allowed_signers: ${signers}\n`,
      )
    },
    step: 'verify',
    cause: 'no valid signature',
    checkout: 'deployed',
  },
  'a keyring that is not there': {
    arrange: async (computer) => {
      await push(computer)
      computer.writeConfig(
        `deployment:\n  checkout: ${computer.checkout}\n  verify: signed-commit\n  keyring: /nonexistent/keys\n`,
      )
    },
    step: 'verify',
    cause: 'deployment.keyring is',
    checkout: 'deployed',
  },
  'a checkout that fails': {
    arrange: async (computer) => {
      await push(computer, { '.gitattributes': 'data filter=broken\n', data: 'x\n' })
      await computer.gitInCheckout('config', 'filter.broken.smudge', 'false')
      await computer.gitInCheckout('config', 'filter.broken.required', 'true')
    },
    step: 'checkout',
    cause: 'git read-tree failed',
    checkout: 'half-way',
  },
  'a migration that throws': {
    arrange: (computer) =>
      push(computer, { ...FIRST, ...script(false, '{ throw new Error("no such table") }') }),
    step: 'migrate',
    cause: 'no such table',
    checkout: 'target',
    migrations: ['1.1.0/001_a.mjs'],
  },
  'a migration that is not idempotent': {
    arrange: (computer) => push(computer, script(false, 'true')),
    step: 'migrate',
    cause: 'is not idempotent',
    checkout: 'target',
  },
  'migrations without a version': {
    arrange: (computer) => push(computer, { ...FIRST, 'package.json': '{}\n' }),
    step: 'migrate',
    cause: 'no version',
    checkout: 'target',
  },
  'a record of migrations that cannot be understood': {
    arrange: async (computer) => {
      await push(computer, FIRST)
      computer.writeState('migration_state.json', '{')
    },
    step: 'migrate',
    cause: 'cannot be understood',
    checkout: 'target',
  },
  'an install that fails': {
    initArgs: ['--install', 'echo out of cheese; exit 3'],
    arrange: (computer) => push(computer, FIRST),
    step: 'install',
    cause: 'out of cheese',
    checkout: 'target',
    migrations: ['1.1.0/001_a.mjs'],
  },
  'an install that does not end': {
    arrange: async (computer) => {
      await push(computer)
      computer.writeConfig(
        `deployment:\n  checkout: ${computer.checkout}\n  install: sleep 600\n  install_timeout: 1s\n`,
      )
    },
    step: 'install',
    cause: 'did not end within 1 s',
    checkout: 'target',
  },
  'an update that removes telec': {
    arrange: async (computer) => {
      await push(
        computer,
        bundles((text) => text),
      )
      await computer.telec('telec-watch')
      await computer.telec('telec-update')
      await push(computer, { 'bin/telec-update': null })
    },
    run: (computer) =>
      execute(process.execPath, [join(computer.checkout, 'bin/telec-update')], { env: computer.env }),
    step: 'renew',
    cause: 'removed telec itself',
    checkout: 'target',
  },
  'a rollback whose install fails': {
    initArgs: ['--install', 'test ! -e ../broken'],
    arrange: async (computer) => {
      await push(computer)
      await computer.telec('telec-watch')
      await computer.telec('telec-update')
      writeFileSync(join(computer.folder, 'broken'), '')
    },
    run: (computer) => computer.telec('telec-update', ['rollback']),
    step: 'install',
    cause: 'exit code 1',
    checkout: 'target',
  },
}

/** The five that each halt has to tell, in `telec status` and in its JSON. */
async function expectTold(computer: Computer, expected: Expected): Promise<Halted> {
  const { stdout, stderr } = await computer.telec('telec', ['status', '--json'])
  expect(stderr).toBe('')
  const { halted } = JSON.parse(stdout) as { halted: Halted }
  expect(halted).toMatchObject({
    step: expected.step,
    go_on: expected.goOn ?? 'telec-update --retry',
    hint: expect.stringMatching(/\S/),
    left: {
      checkout: { commit: await computer.gitInCheckout('rev-parse', 'HEAD'), at: expected.checkout },
      service: { restarted: expected.restarted ?? 'no' },
    },
  })
  const isBroken = expected.cause === 'cannot be understood'
  expect(halted.left.migrations).toEqual(isBroken ? null : (expected.migrations ?? []))
  expect(Date.parse(halted.at)).toBeGreaterThan(0)
  expect(`${halted.error}\n${halted.because}`).toContain(expected.cause)
  const text = (await computer.telec('telec', ['status'])).stdout
  const rows = [`at ${expected.step}, `, halted.error, 'what to do: ', `then run: ${halted.go_on}`]
  const left = [
    'checkout: ',
    'service: ',
    `migrations: ${halted.left.migrations?.join(', ') || (isBroken ? 'unknown' : 'none ran')}`,
  ]
  for (const part of [...rows, ...left]) expect(text).toContain(part)
  await expectCommandsExist(`${halted.hint}\n${halted.go_on}`)
  return halted
}

/** Every command of telec and of git that a text names, with its options. */
async function expectCommandsExist(text: string): Promise<void> {
  for (const [, program = '', sub = '', options = ''] of text.matchAll(
    /\b(telec(?:-watch|-update|-migrate)?)\b((?: (?:rollback|status|resume|install))?)((?: --[a-z-]+)*)/g,
  )) {
    const args = [...sub.trim().split(' ').filter(Boolean), '--help']
    const help = await execute(process.execPath, [join(DIST, program as ProgramName), ...args])
    expect(help, `${program}${sub}`).toMatchObject({ code: 0 })
    for (const option of options.trim().split(' ').filter(Boolean)) expect(help.stdout).toContain(option)
  }
  for (const [, command = ''] of text.matchAll(/\bgit -C \S+ ([a-z-]+)/g)) {
    const { code, stdout, stderr } = await execute('git', [command, '-h'])
    expect({ code, usage: stdout + stderr }, `git ${command}`).toMatchObject({
      code: 129,
      usage: expect.stringContaining('usage: git'),
    })
  }
}

describe('a halt shows its step, its cause, its time, the state that it left, and how to continue:', () => {
  test.each(Object.entries(KINDS))('%s', async (_, { initArgs, arrange, run, ...expected }) => {
    const computer = await freshComputer({ initArgs: initArgs ?? [] })
    await arrange(computer)
    if (computer.state('update_signal.json') === null) await computer.telec('telec-watch')
    const ended = run ? await run(computer) : await computer.telec('telec-update')
    expect([1, 75, 78], ended.stderr).toContain(ended.code)
    await expectTold(computer, expected)
  })

  const SERVER = `process.on('SIGTERM', () => process.exit(42))
setInterval(() => {}, 60000)
`
  test.each<[string, string, Record<string, string | null>, Expected]>([
    [
      'a new version that crashes',
      'healthy_after: 2s',
      { 'server.js': 'process.exit(3)\n' },
      { step: 'confirm', cause: 'did not stay up', checkout: 'target', restarted: 'yes' },
    ],
    [
      'a new version that is not healthy',
      'healthy_after: 0s\n  health: echo no answer; false\n  health_timeout: 1s',
      {},
      { step: 'confirm', cause: 'no answer', checkout: 'target', restarted: 'yes' },
    ],
  ])('%s', async (_, settings, files, expected) => {
    const computer = await freshComputer({ init: false })
    await computer.push({ 'server.js': SERVER })
    await computer.gitInCheckout('pull', '--quiet')
    await computer.telec('telec', ['init', '--checkout', computer.checkout])
    computer.writeConfig(
      `deployment:\n  checkout: ${computer.checkout}\n  poll_every: 1h\nservice:\n  name: web\n  ${settings}\n`,
    )
    const run = await telecRun(computer, [process.execPath, 'server.js'])
    await computer.push({ ...version('1.1.0'), ...files })
    expect((await computer.telec('telec-watch')).code).toBe(0)
    expect((await computer.telec('telec-update')).code).toBe(1)
    const { left } = await expectTold(computer, expected)
    expect(left.service.note).toContain('new pid')

    const back = await computer.telec('telec-update', ['rollback'])
    expect(back, back.stderr).toMatchObject({ code: settings.includes('health:') ? 1 : 0 })
    await run.stop()
  })
})
