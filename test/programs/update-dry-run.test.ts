import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { type Computer, markerMigration, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { succeed } from '../helpers/programs.ts'
import { addSubmodule, commitTo, FILES } from '../helpers/submodules.ts'
import { readTree } from '../helpers/tree.ts'
import { watchAndUpdate } from '../helpers/update.ts'

const SATISFIED = 'export const check = () => true\nexport const migrate = () => false\n'
/** Of the target alone: a neighbour that the checkout does not have yet. */
const BROKEN =
  "import { what } from '../what.mjs'\nexport const check = () => { throw new Error(what) }\nexport const migrate = () => true\n"

const dryRun = (computer: Computer, ...args: string[]) =>
  computer.telec('telec', ['update', '--dry-run', ...args])

/** All that an update changes, except fetched commits. */
const asItIs = async (computer: Computer) => ({
  head: await computer.gitInCheckout('rev-parse', 'HEAD'),
  status: await computer.gitInCheckout('status', '--porcelain', '--ignored'),
  home: readTree(computer.home),
})

async function offered(): Promise<Computer> {
  const computer = await freshComputer({ initArgs: ['--install', 'touch installed'] })
  await computer.push({
    ...version('1.1.0'),
    ...markerMigration('1.1.0', '001_marks.mjs'),
    'migrations/v1.1.0/002_satisfied.mjs': SATISFIED,
    'migrations/v1.1.0/003_broken.mjs': BROKEN,
    'migrations/what.mjs': "export const what = 'no such table'\n",
  })
  return computer
}

test('telec update --dry-run says what an update would do, and does none of it', async () => {
  const computer = await offered()
  const before = await asItIs(computer)
  const { code, stdout, stderr } = await dryRun(computer)
  expect(code, stderr).toBe(0)
  expect(stdout).toMatch(
    /^from 1\.0\.0 \([0-9a-f]{12}\) to 1\.1\.0 \([0-9a-f]{12}\)\ncommits:\n {2}[0-9a-f]+ \S/,
  )
  expect(stdout).toMatch(/^\d+ changed files?:\n/m)
  expect(stdout).toContain('  migrations/v1.1.0/001_marks.mjs\n')
  expect(stdout).toContain(`migrations:
  1.1.0/001_marks.mjs: has to run
  1.1.0/002_satisfied.mjs: check() is true: nothing to do
  1.1.0/003_broken.mjs: check() failed
    Error: no such table`)
  expect(stdout).toContain('then runs: touch installed\nrestarts nothing\n')
  expect(await asItIs(computer)).toEqual(before)
  const temporary = readdirSync(computer.env.TMPDIR ?? '/tmp').filter((name) =>
    name.startsWith('telec-rehearsal-'),
  )
  expect(temporary).toEqual([])

  const asJson = JSON.parse((await dryRun(computer, '--json')).stdout) as Record<string, unknown>
  expect(asJson).toMatchObject({
    target: { version: '1.1.0' },
    install: 'touch installed',
    restarts: [],
    migrations: [{ says: 'false' }, { says: 'true' }, { says: 'failed' }],
  })
})

test('a check() finds the modules of the target, and those installed in the checkout', async () => {
  const computer = await freshComputer()
  await computer.push({ 'app.py': 'VERSION = 1\n' })
  await watchAndUpdate(computer)
  for (const [name, text] of [
    ['node_modules/dep/index.js', 'exports.isThere = true\n'],
    ['migrations/v1.1.0/009_draft.mjs', SATISFIED],
  ] as const) {
    mkdirSync(dirname(join(computer.checkout, name)), { recursive: true })
    writeFileSync(join(computer.checkout, name), text)
  }
  await computer.push({ ...version('1.1.0'), 'app.py': 'VERSION = 2\n' })
  expect((await dryRun(computer)).stdout).toContain('nothing to migrate\n')
  await computer.push({
    'migrations/v1.1.0/001_a.mjs':
      "import dep from 'dep'\nexport const check = () => dep.isThere\nexport const migrate = () => false\n",
    'migrations/v1.1.0/002_b.py':
      'import app\ndef check():\n    return app.VERSION == 2\ndef migrate():\n    return False\n',
  })
  const { migrations } = JSON.parse((await dryRun(computer, '--json')).stdout)
  expect(migrations).toEqual([
    { id: '1.1.0/001_a.mjs', says: 'true', error: null },
    { id: '1.1.0/002_b.py', says: 'true', error: null },
  ])
})

test('migrations of a submodule are asked, too', async () => {
  const computer = await freshComputer()
  const database = join(computer.folder, 'db')
  mkdirSync(join(database, 'v1.1.0'), { recursive: true })
  await commitTo(database, { 'v1.1.0/001_a.mjs': SATISFIED })
  await addSubmodule(join(computer.folder, 'work'), database, 'migrations')
  await computer.push({})
  await watchAndUpdate(computer)
  await succeed('git', ['-C', computer.checkout, ...FILES, 'submodule', '--quiet', 'update', '--init'])
  await computer.push(version('1.1.0'))
  expect((await dryRun(computer)).stdout).toContain('1.1.0/001_a.mjs: check() is true')
})

test('where nothing is new it says so', async () => {
  const computer = await freshComputer()
  expect(await dryRun(computer)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^nothing to do: /) })
  await computer.push(version('1.1.0'))
  await watchAndUpdate(computer)
  expect((await dryRun(computer)).stdout).toMatch(/^nothing to do: /)
})

test('check() of an unsigned target is not called', async () => {
  const computer = await offered()
  computer.writeConfig(
    `deployment:\n  checkout: ${computer.checkout}\n  verify: signed-commit\n  allowed_signers: ${join(computer.folder, 'signers')}\n`,
  )
  writeFileSync(join(computer.folder, 'signers'), '', { mode: 0o600 })
  const ended = await dryRun(computer)
  expectFailure(ended, 1, ['no valid signature'])
  expect(ended.stdout + ended.stderr).not.toContain('no such table')
})

test('ended by a Ctrl-C it leaves nothing in the temporary folder', async () => {
  const computer = await freshComputer()
  await computer.push({
    ...version('1.1.0'),
    'migrations/v1.1.0/001_a.py':
      'import os, signal, time\nos.kill(os.getppid(), signal.SIGINT)\ndef check():\n    time.sleep(1000)\n',
  })
  const temporary = join(computer.folder, 'temporary')
  mkdirSync(temporary)
  const { signal } = await computer.telec('telec-update', ['--dry-run'], { env: { TMPDIR: temporary } })
  expect(signal).toBe('SIGINT')
  expect(readdirSync(temporary)).toEqual([])
})
