import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Computer } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure, expectMigrationFailure } from '../helpers/messages.ts'
import { place, placeMarker, timesRun } from '../helpers/migrations.ts'
import { succeed } from '../helpers/programs.ts'

const migrate = (computer: Computer, ...args: string[]) => computer.telec('telec-migrate', args)
const ID = '1.1.0/001_a.mjs'
const DRAFT = '1.1.0/002_draft.mjs'
const RETURNS_FALSE = 'export const check = () => false; export const migrate = () => false\n'
const RUNS_NEVER = "throw new Error('it ran')\n"

/** A file that git does not know. */
function drop(computer: Computer, name: string, text: string): void {
  const path = join(computer.checkout, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** What an update brings: a migration, and the version that needs it. */
const UPDATE = {
  'package.json': '{"name": "web", "version": "1.1.0"}\n',
  [`migrations/v${ID}`]: `import { appendFileSync, existsSync } from 'node:fs'
const marker = process.env.TELEC_HOME + '/001_a.mjs.ran'
export const check = () => existsSync(marker)
export const migrate = () => (appendFileSync(marker, 'ran\\n'), true)
`,
}

async function update(computer: Computer, files: Readonly<Record<string, string | null>>) {
  await computer.push(files)
  await computer.telec('telec-watch')
  return computer.telec('telec-update')
}

describe('what git does not know is no migration:', () => {
  test('an update warns of it, does not run it, and runs those of the commit', async () => {
    const computer = await freshComputer()
    drop(computer, `migrations/v${DRAFT}`, RUNS_NEVER)
    const ended = await update(computer, UPDATE)
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(ended.stderr).toContain(`migrations/v${DRAFT} is not in the commit, and is not run`)
    expect(computer.state('migration_state.json')).toMatchObject({ applied: [ID] })
    expect(timesRun(computer, ID)).toBe(1)
  })

  test('what a build writes beside a migration, with its number, halts nothing', async () => {
    const computer = await freshComputer()
    expect((await update(computer, { ...UPDATE, '.gitignore': '*.js\n' })).code).toBe(42)
    drop(computer, 'migrations/v1.1.0/001_a.js', RUNS_NEVER)
    const ended = await update(computer, { 'package.json': '{"name": "web", "version": "1.2.0"}\n' })
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(computer.state('migration_state.json')).toMatchObject({ applied: [ID] })
    for (const [flag, applied] of [
      ['--pending', []],
      ['--applied', [ID]],
    ] as const) {
      const marked = await migrate(computer, 'mark', ID, flag, '--yes')
      expect(marked, marked.stderr).toMatchObject({ code: 0 })
      expect(computer.state('migration_state.json')).toMatchObject({ applied })
    }
  })

  test('nor is a staged file that is not committed', async () => {
    const computer = await freshComputer()
    placeMarker(computer, ID)
    drop(computer, `migrations/v${DRAFT}`, RUNS_NEVER)
    await computer.gitInCheckout('add', '--all')
    expect((await migrate(computer)).code).toBe(0)
    expect(computer.state('migration_state.json')).toMatchObject({ applied: [ID] })
  })

  test('by hand --worktree runs it all the same, for its author', async () => {
    const computer = await freshComputer()
    placeMarker(computer, ID)
    drop(computer, `migrations/v${DRAFT}`, 'export const check = () => true\n')
    expect((await migrate(computer, '--dry-run')).stdout).toBe(
      `1 pending:\n  ${ID}\n${computer.checkout}/migrations/v${DRAFT} is not in the commit, and is not run\n`,
    )
    expect((await migrate(computer, '--dry-run', '--worktree')).stdout).toContain(
      `2 pending:\n  ${ID}\n  ${DRAFT}\n`,
    )
    expect((await migrate(computer, '--worktree')).code).toBe(0)
    expect(computer.state('migration_state.json')).toMatchObject({ applied: [ID, DRAFT] })
  })
})

describe('a migration that differs from the commit halts before any runs:', () => {
  const changed = [
    ['a pending migration', `v${ID}`],
    ['one after others', 'v1.1.0/002_b.mjs'],
    ['what it may import', 'v1.1.0/helper.mjs'],
    ['what it may import from elsewhere below', 'lib/deep/helper.mjs'],
  ] as const
  test.each(changed)('%s that was edited', async (_, name) => {
    const computer = await freshComputer()
    for (const id of [ID, '1.1.0/002_b.mjs']) placeMarker(computer, id)
    for (const file of ['v1.1.0/helper.mjs', 'lib/deep/helper.mjs'])
      place(computer, `migrations/${file}`, '// as it was\n')
    writeFileSync(join(computer.checkout, 'migrations', name), '// edited\n', { flag: 'a' })
    expectFailure(await migrate(computer), 1, [`migrations/${name} differs from the commit`, '+// edited'])
    expect(timesRun(computer, ID)).toBe(0)
    await computer.gitInCheckout('update-index', '--assume-unchanged', `migrations/${name}`)
    expectFailure(await migrate(computer), 1, [`migrations/${name} differs from the commit`])
    expect((await migrate(computer, '--worktree')).code).toBe(0)
    expect(timesRun(computer, ID)).toBe(1)
  })

  test('one that was removed', async () => {
    const computer = await freshComputer()
    for (const id of [ID, '1.1.0/002_b.mjs']) placeMarker(computer, id)
    rmSync(join(computer.checkout, `migrations/v${ID}`))
    expectFailure(await migrate(computer), 1, [`migrations/v${ID} differs from the commit`])
    expect(timesRun(computer, '1.1.0/002_b.mjs')).toBe(0)
  })

  test('the only one of an update, removed by any command', async () => {
    for (const how of [['rm'], ['git', 'rm', '--quiet']]) {
      const computer = await freshComputer()
      expectMigrationFailure(
        await update(computer, { ...UPDATE, [`migrations/v${ID}`]: RETURNS_FALSE }),
        ID,
        ['migrate() returned false'],
      )
      const [command = '', ...args] = [...how, `migrations/v${ID}`]
      await succeed(command, args, { cwd: computer.checkout })
      expectFailure(await computer.telec('telec-update', ['--retry']), 1, [`${ID} differs from the commit`])
    }
  })

  test('one that came before its version, and went', async () => {
    const computer = await freshComputer()
    expect((await update(computer, { [`migrations/v${ID}`]: RETURNS_FALSE })).code).toBe(42)
    await computer.gitInCheckout('rm', '--quiet', '-r', 'migrations')
    const ended = await update(computer, { 'package.json': '{"name": "web", "version": "1.1.0"}\n' })
    expectFailure(ended, 1, [`${ID} differs from the commit`])
  })

  test('an update says so, too, and the status has its id', async () => {
    const computer = await freshComputer()
    const first = `import { appendFileSync } from 'node:fs'
export const check = () => false
export const migrate = () => (appendFileSync('migrations/v${ID}', '// edited'), false)
`
    const failed = await update(computer, { ...UPDATE, 'migrations/v1.1.0/000_first.mjs': first })
    expectMigrationFailure(failed, '1.1.0/000_first.mjs', ['migrate() returned false'])
    const again = await computer.telec('telec-update', ['--retry'])
    expectFailure(again, 1, [`migrations/v${ID} differs from the commit`, '+// edited'])
    expect(computer.state('status.json')).toMatchObject({ migration: ID })
  })
})

test('documents, tests and applied migrations may differ; line endings and other filters are no difference', async () => {
  const computer = await freshComputer()
  placeMarker(computer, ID)
  expect((await migrate(computer)).code).toBe(0)
  place(computer, '.gitattributes', '*.mjs text eol=crlf\n')
  place(computer, 'migrations/README.md', 'how\n')
  placeMarker(computer, '1.1.0/002_b.mjs')
  await computer.gitInCheckout('rm', '--cached', '-r', '--quiet', 'migrations')
  await computer.gitInCheckout('reset', '--hard', '--quiet')
  expect(readFileSync(join(computer.checkout, 'migrations/v1.1.0/002_b.mjs'), 'utf8')).toContain('\r\n')
  for (const name of ['README.md', `v${ID}`])
    writeFileSync(join(computer.checkout, 'migrations', name), 'else\n')
  const ended = await migrate(computer)
  expect(ended, ended.stderr).toMatchObject({ code: 0 })
  expect(timesRun(computer, '1.1.0/002_b.mjs')).toBe(1)
})

test('the folder may be in a submodule, whose commit is that of the checkout', async () => {
  const computer = await freshComputer()
  const { checkout, folder } = computer
  const git = (...args: string[]) =>
    computer.gitInCheckout(
      '-c',
      'user.name=A',
      '-c',
      'user.email=a@example.org',
      '-c',
      'protocol.file.allow=always',
      ...args,
    )
  await git('init', '--quiet', join(folder, 'db'))
  placeMarker({ ...computer, checkout: join(folder, 'db') }, ID)
  await git('submodule', '--quiet', 'add', join(folder, 'db'), 'db')
  await git('commit', '--quiet', '--message=db')
  const config = readFileSync(join(computer.home, 'config.yml'), 'utf8')
  computer.writeConfig(config.replace(/^deployment:$/m, 'deployment:\n  migrations: db/migrations'))
  drop(computer, `db/migrations/v${DRAFT}`, RUNS_NEVER)
  writeFileSync(join(checkout, `db/migrations/v${ID}`), '// edited\n', { flag: 'a' })
  expectFailure(await migrate(computer), 1, [`db/migrations/v${ID} differs from the commit`, '+// edited'])
  await git('-C', 'db', 'checkout', '--quiet', '--', '.')
  const ended = await migrate(computer)
  expect(ended, ended.stderr).toMatchObject({ code: 0 })
  expect(ended.stderr).toContain(`${DRAFT} is not in the commit`)
  expect(computer.state('migration_state.json')).toMatchObject({ applied: [ID] })
})

describe('plan', () => {
  test('--check calls check() of pending migrations, and runs nothing', async () => {
    const computer = await freshComputer()
    placeMarker(computer, ID)
    place(computer, 'migrations/v1.1.0/002_b.mjs', 'export const check = () => true\n')
    const shown = `2 pending:\n  ${ID}  has to run\n  1.1.0/002_b.mjs  check() is true: nothing to do\n`
    expect(await migrate(computer, 'plan', '--check')).toMatchObject({ code: 0, stdout: shown })
    place(computer, 'migrations/v1.1.0/002_b.mjs', "throw new Error('no luck')\n")
    const failed = await migrate(computer, 'plan', '--check', '--json')
    expect(failed.code).toBe(1)
    expect(JSON.parse(failed.stdout).answers).toEqual([
      { id: ID, says: 'false', error: null },
      { id: '1.1.0/002_b.mjs', says: 'failed', error: expect.stringContaining('no luck') },
    ])
    expect((await migrate(computer, 'plan')).stdout).toBe((await migrate(computer, '--dry-run')).stdout)
    expect(timesRun(computer, ID)).toBe(0)
    expect(computer.state('migration_state.json')).toMatchObject({ applied: [] })
  })
})

describe('deployment.before_migrate', () => {
  const configure = (computer: Computer, command: string) => {
    const config = readFileSync(join(computer.home, 'config.yml'), 'utf8')
    computer.writeConfig(config.replace(/^deployment:$/m, `deployment:\n  before_migrate: ${command}`))
  }

  test('reads the pending migrations, before any of it runs, and only then', async () => {
    const computer = await freshComputer()
    configure(computer, 'cat >"$TELEC_HOME/list"; ls "$TELEC_HOME"/*.ran; true')
    expect((await migrate(computer)).code).toBe(0)
    expect(existsSync(join(computer.home, 'list'))).toBe(false)
    placeMarker(computer, ID)
    const ended = await migrate(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    expect(ended.stderr).toContain('No such file')
    const path = join(computer.checkout, `migrations/v${ID}`)
    expect(JSON.parse(readFileSync(join(computer.home, 'list'), 'utf8'))).toEqual([
      { id: ID, path, late: false },
    ])
  })

  test.each([
    ['echo no space; exit 3', ['failed with exit code 3', 'no space']],
    ['nosuchbackup', ['exit code 127', 'searched: PATH=']],
  ])('that fails halts an update, and nothing ran: %s', async (command, parts) => {
    const computer = await freshComputer()
    configure(computer, command)
    expectFailure(await update(computer, UPDATE), 1, ['the before_migrate command', ...parts])
    expect(timesRun(computer, ID)).toBe(0)
    const config = readFileSync(join(computer.home, 'config.yml'), 'utf8')
    computer.writeConfig(config.replace(`  before_migrate: ${command}\n`, ''))
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
    expect(timesRun(computer, ID)).toBe(1)
  })
})
