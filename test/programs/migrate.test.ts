import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, markerMigration, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure, expectMigrationFailure } from '../helpers/messages.ts'
import { readTree } from '../helpers/tree.ts'
import { watchAndUpdate } from '../helpers/update.ts'

/** A computer set up at 1.0.0 whose checkout was brought by hand to a version with these migrations. */
async function pulled(to: string, files: Readonly<Record<string, string>>): Promise<Computer> {
  const computer = await freshComputer()
  await computer.push({ ...version(to), ...files })
  await computer.gitInCheckout('pull', '--quiet')
  return computer
}

/** A migration that adds its name to one list, which shows the order in which they ran. */
function listed(id: string): Record<string, string> {
  return {
    [`migrations/v${id}`]: `import { appendFileSync, existsSync, readFileSync } from 'node:fs'
const list = process.env.TELEC_HOME + '/order'
export const check = () => existsSync(list) && readFileSync(list, 'utf8').includes('${id}\\n')
export async function migrate() { appendFileSync(list, '${id}\\n'); return true }
`,
  }
}

const order = (computer: Computer) => readFileSync(join(computer.home, 'order'), 'utf8').trim().split('\n')
const applied = (computer: Computer) => computer.state('migration_state.json')?.applied

const IN_ORDER = [
  '1.1.0/001_a.mjs',
  '1.1.0/002_b.mjs',
  '1.1.0/010_c.mjs',
  '1.2.0/001_d.mjs',
  '1.10.0/001_e.mjs',
]
const SHUFFLED = Object.assign(
  {},
  ...[3, 1, 4, 0, 2].map((index) => listed(IN_ORDER[index] ?? '')),
) as Record<string, string>

describe('telec-migrate', () => {
  test('runs the pending migrations by version, then by number, and records each', async () => {
    const computer = await pulled('1.10.0', SHUFFLED)
    const { code, stdout } = await computer.telec('telec-migrate')
    expect(code).toBe(0)
    expect(stdout).toContain('5 run, 0 satisfied already')
    expect(order(computer)).toEqual(IN_ORDER)
    expect(applied(computer)).toEqual(IN_ORDER)
  })

  test('has nothing to do after that', async () => {
    const computer = await pulled('1.10.0', SHUFFLED)
    await computer.telec('telec-migrate')
    expect(await computer.telec('telec-migrate')).toMatchObject({ code: 0, stdout: 'nothing to migrate\n' })
    expect(order(computer)).toEqual(IN_ORDER)
  })

  test('--dry-run prints the plan and changes nothing', async () => {
    const computer = await pulled('1.10.0', SHUFFLED)
    const before = [readTree(computer.home), readTree(computer.checkout)]
    const { code, stdout } = await computer.telec('telec-migrate', ['--dry-run'])
    expect(code).toBe(0)
    expect(stdout).toBe(`5 pending:\n${IN_ORDER.map((id) => `  ${id}\n`).join('')}`)
    expect([readTree(computer.home), readTree(computer.checkout)]).toEqual(before)
  })

  test.each<[string, string[], string[]]>([
    ['--to takes its own version in', ['--to', '1.1.0'], IN_ORDER.slice(0, 3)],
    ['--from leaves its own version out', ['--from', '1.1.0'], IN_ORDER.slice(3)],
    ['--from and --to, with or without a v', ['--from', 'v1.1.0', '--to', 'v1.2.0'], ['1.2.0/001_d.mjs']],
    ['a minor version is its first patch', ['--from', '1.1', '--to', '1.2'], ['1.2.0/001_d.mjs']],
  ])('%s', async (_, args, ids) => {
    const computer = await pulled('1.10.0', SHUFFLED)
    expect((await computer.telec('telec-migrate', args)).code).toBe(0)
    expect(applied(computer)).toEqual(ids)
  })

  test('runs all that there is, and with --to what came up to that version', async () => {
    const computer = await pulled('1.2.0', SHUFFLED)
    await computer.telec('telec-migrate', ['--to', '1.2.0'])
    expect(applied(computer)).toEqual(IN_ORDER.slice(0, 4))
    await computer.telec('telec-migrate')
    expect(applied(computer)).toEqual(IN_ORDER)
  })

  test('does not run what came with the version at which telec was set up, or before', async () => {
    const computer = await pulled('1.1.0', {
      ...listed('0.9.0/001_x.mjs'),
      ...listed('1.0.0/001_y.mjs'),
      ...listed('1.1.0/001_a.mjs'),
    })
    await computer.telec('telec-migrate')
    expect(applied(computer)).toEqual(['1.1.0/001_a.mjs'])
  })

  test('records satisfied migrations without running them', async () => {
    const computer = await pulled('1.1.0', {
      'migrations/v1.1.0/001_a.mjs': `export const check = () => true
export const migrate = () => { throw new Error('must not be called') }
`,
    })
    expect((await computer.telec('telec-migrate')).stdout).toContain('0 run, 1 satisfied already')
    expect(applied(computer)).toEqual(['1.1.0/001_a.mjs'])
  })

  test('continues after a failure with the one that failed', async () => {
    const computer = await pulled('1.10.0', { ...SHUFFLED, ...failingOnce('1.2.0/001_d.mjs') })
    expectMigrationFailure(await computer.telec('telec-migrate'), '1.2.0/001_d.mjs', ['the first time'])
    expect(applied(computer)).toEqual(IN_ORDER.slice(0, 3))
    expect((await computer.telec('telec-migrate')).code).toBe(0)
    expect(applied(computer)).toEqual(IN_ORDER)
    expect(order(computer)).toEqual(IN_ORDER.filter((id) => id !== '1.2.0/001_d.mjs'))
  })

  test('lets migrations import their neighbours', async () => {
    const computer = await pulled('1.1.0', {
      ...markerMigration('1.1.0', '001_a.mjs'),
      'migrations/shared.mjs': 'export const marker = process.env.TELEC_HOME + "/shared"\n',
      'migrations/v1.1.0/helper.ts': 'export const text: string = "typed"\n',
      'migrations/v1.1.0/002_b.ts': `import { existsSync, writeFileSync } from 'node:fs'
import { marker } from '../shared.mjs'
import { text } from './helper.ts'
export function check(): boolean { return existsSync(marker) }
export function migrate(): boolean { writeFileSync(marker, text); return true }
`,
      'migrations/v1.1.0/003_c.cjs': `const { join } = require('node:path')
const { version } = require('../../package.json')
const { existsSync, writeFileSync } = require('node:fs')
const marker = join(process.env.TELEC_HOME, 'required')
exports.check = () => existsSync(marker)
exports.migrate = () => { writeFileSync(marker, version); return true }
`,
    })
    expect(await computer.telec('telec-migrate')).toMatchObject({ code: 0 })
    expect(readFileSync(join(computer.home, 'shared'), 'utf8')).toBe('typed')
    expect(readFileSync(join(computer.home, 'required'), 'utf8')).toBe('1.1.0')
  })

  test('tells migrations where they are and from which version to which', async () => {
    const computer = await pulled('1.1.0', {
      'migrations/v1.1.0/001_a.mjs': `import { existsSync, writeFileSync } from 'node:fs'
const { TELEC_HOME, TELEC_CHECKOUT, TELEC_FROM, TELEC_TO } = process.env
const file = TELEC_HOME + '/seen.json'
export const check = () => existsSync(file)
export const migrate = () => { writeFileSync(file, JSON.stringify([TELEC_CHECKOUT, process.cwd(), TELEC_FROM, TELEC_TO])); return true }
`,
    })
    await computer.telec('telec-migrate')
    expect(computer.state('seen.json')).toEqual([computer.checkout, computer.checkout, '1.0.0', '1.1.0'])
  })

  test('skips other files', async () => {
    const computer = await pulled('1.1.0', {
      'migrations/README.md': '# How to write one\n',
      'migrations/v1.1.0/README.md': '# Why\n',
      'migrations/v1.1.0/001_a.d.ts': 'export {}\n',
      'migrations/notes/001_x.js': 'not a migration\n',
      ...listed('1.1.0/001_a.mjs'),
    })
    expect((await computer.telec('telec-migrate', ['--dry-run'])).stdout).toBe(
      '1 pending:\n  1.1.0/001_a.mjs\n',
    )
  })

  test('lists all names that are wrong at once, and runs nothing', async () => {
    const computer = await pulled('1.1.0', {
      'migrations/v1.1/001_a.js': '',
      'migrations/v1.1.0/1_short.js': '',
      'migrations/v1.1.0/002_.js': '',
      'migrations/v1.1.0/003-dash.js': '',
      'migrations/v1.1.0/004_program': '',
      'migrations/v1.1.0/004_notes.md': 'passed over',
      'migrations/v1.1.0/005_a.js': '',
      'migrations/v1.1.0/005_b.js': '',
      ...listed('1.1.0/006_good.mjs'),
    })
    expectFailure(await computer.telec('telec-migrate'), 1, [
      'v1.1: is not a version',
      'v1.1.0/1_short.js',
      'v1.1.0/003-dash.js',
      'v1.1.0/004_program: is not executable',
      'v1.1.0/005_b.js: has the number of v1.1.0/005_a.js',
    ])
    expect(existsSync(join(computer.home, 'order'))).toBe(false)
  })

  test('does not take a version that is none', async () => {
    const computer = await freshComputer()
    const { code, stderr } = await computer.telec('telec-migrate', ['--to', 'newest'])
    expect(code).toBe(2)
    expect(stderr).toContain("'newest' is invalid")
  })
})

/** Fails when it is called for the first time. */
function failingOnce(id: string): Record<string, string> {
  return {
    [`migrations/v${id}`]: `import { existsSync, writeFileSync } from 'node:fs'
const tried = process.env.TELEC_HOME + '/tried'
let done = false
export const check = () => done
export function migrate() {
  if (!existsSync(tried)) { writeFileSync(tried, ''); throw new Error('the first time') }
  return (done = true)
}
`,
  }
}

describe('in an update', () => {
  test('a second script that joins a version which runs already is run', async () => {
    const computer = await freshComputer()
    await computer.push({ ...version('1.1.0'), ...listed('1.1.0/001_a.mjs') })
    await watchAndUpdate(computer)
    await computer.push(listed('1.1.0/002_late.mjs'))
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(order(computer)).toEqual(['1.1.0/001_a.mjs', '1.1.0/002_late.mjs'])
  })

  test('a migration that joins an older version is run, too', async () => {
    const computer = await freshComputer()
    await computer.push({ ...version('1.2.0'), ...listed('1.2.0/001_a.mjs') })
    await watchAndUpdate(computer)
    await computer.push(listed('1.1.0/001_late.mjs'))
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(order(computer)).toEqual(['1.2.0/001_a.mjs', '1.1.0/001_late.mjs'])
  })

  test('a file that holds applied alone is a valid record, and other keys are kept', async () => {
    const computer = await freshComputer()
    const record = { applied: ['1.1.0/001_a.mjs'], note: 'by hand' }
    writeFileSync(join(computer.home, 'migration_state.json'), JSON.stringify(record))
    await computer.push({ ...version('1.1.0'), ...listed('1.1.0/001_a.mjs'), ...listed('1.1.0/002_b.mjs') })
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(order(computer)).toEqual(['1.1.0/002_b.mjs'])
    expect(computer.state('migration_state.json')).toMatchObject({
      applied: ['1.1.0/001_a.mjs', '1.1.0/002_b.mjs'],
      note: 'by hand',
    })
  })
})
