import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Computer } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { commit, place, placeMarker } from '../helpers/migrations.ts'
import type { Ended } from '../helpers/programs.ts'

const DOORS: [string, (computer: Computer, ...args: string[]) => Promise<Ended>][] = [
  ['telec-migrate', (computer, ...args) => computer.telec('telec-migrate', args)],
  ['telec migrate', (computer, ...args) => computer.telec('telec', ['migrate', ...args])],
]

const FIRST = '1.1.0/001_first.mjs'
const SECOND = '1.2.0/001_second.py'

async function twoMigrations(): Promise<Computer> {
  const computer = await freshComputer()
  for (const id of [FIRST, SECOND]) placeMarker(computer, id)
  return computer
}

const ran = (computer: Computer, id: string) => join(computer.home, `${id.split('/')[1]}.ran`)
const parse = (ended: Ended): unknown => JSON.parse(ended.stdout)

describe.each(DOORS)('%s', (_, migrate) => {
  test('prints the plan first and the results after, and the same as JSON', async () => {
    const computer = await twoMigrations()
    expect(parse(await migrate(computer, '--dry-run', '--json'))).toEqual({
      version: 1,
      pending: [
        { id: FIRST, late: false },
        { id: SECOND, late: false },
      ],
      changed: [],
      gone: [],
    })
    expect((await migrate(computer)).stdout).toBe(
      `2 pending:\n  ${FIRST}\n  ${SECOND}\n2 run, 0 satisfied already\n`,
    )
    expect((await migrate(computer)).stdout).toBe('nothing to migrate\n')
    expect(parse(await migrate(computer, '--json'))).toMatchObject({ pending: [], run: 0, satisfied: 0 })
  })

  test('--dry-run asks no check()', async () => {
    const computer = await freshComputer()
    place(computer, 'migrations/v1.1.0/001_x.mjs', "throw new Error('loaded')")
    const { code, stdout } = await migrate(computer, '--dry-run')
    expect({ code, stdout }).toEqual({ code: 0, stdout: '1 pending:\n  1.1.0/001_x.mjs\n' })
  })

  test('says which are late, changed and gone, and none of that is an error', async () => {
    const computer = await twoMigrations()
    await migrate(computer)
    const state = computer.state('update_state.json') as { deployed: object }
    const deployed = { ...state.deployed, version: '1.2.0' }
    computer.writeState('update_state.json', JSON.stringify({ ...state, deployed }))
    placeMarker(computer, '1.1.0/002_late.sh')
    place(computer, `migrations/v${FIRST}`, 'export const check = () => true // edited')
    rmSync(join(computer.checkout, `migrations/v${SECOND}`))
    commit(computer, 'migrations')
    const { code, stdout } = await migrate(computer, '--dry-run')
    expect(code).toBe(0)
    expect(stdout).toContain('1.1.0/002_late.sh  (late')
    expect(stdout).toContain(`${FIRST} has changed since`)
    expect(stdout).toContain(`${SECOND} was applied here, and is no longer in the checkout`)
    const rows = parse(await migrate(computer, 'status', '--json')) as {
      id: string
      state: string
      changed: boolean
    }[]
    expect(rows.map(({ id, state, changed }) => [id, state, changed])).toEqual([
      [FIRST, 'applied', true],
      ['1.1.0/002_late.sh', 'late', false],
      [SECOND, 'gone', false],
    ])
  })

  test('status --check finds drift both ways, and exits with 1 then', async () => {
    const computer = await twoMigrations()
    await migrate(computer)
    expect((await migrate(computer, 'status', '--check')).code).toBe(0)
    rmSync(ran(computer, FIRST))
    placeMarker(computer, '1.3.0/001_new.mjs')
    writeFileSync(ran(computer, '1.3.0/001_new.mjs'), 'by hand\n')
    const { code, stdout } = await migrate(computer, 'status', '--check')
    expect(code).toBe(1)
    expect(stdout).toMatch(/001_first\.mjs +applied .* no longer true/)
    expect(stdout).toMatch(/001_new\.mjs +pending .* true, but not recorded/)
    expect(stdout).toMatch(/001_second\.py +applied +\d{4}-\S+ \S+ [+-]\d{4} +\d+\.\d\d s\n/)
  })

  test('mark changes the record, with --yes only', async () => {
    const computer = await twoMigrations()
    expectFailure(await migrate(computer, 'mark', FIRST, '--applied'), 2, ['--yes'])
    expectFailure(await migrate(computer, 'mark', FIRST, '--yes'), 2, ['--applied and --pending'])
    expectFailure(await migrate(computer, 'mark', '9.9.9/001_x.ts', '--applied', '--yes'), 2, [
      '9.9.9/001_x.ts',
    ])
    expect((await migrate(computer, 'mark', FIRST, '--applied', '--yes')).code).toBe(0)
    expect(computer.state('migration_state.json')).toMatchObject({
      details: { [FIRST]: { how: 'marked', ms: null } },
    })
    expect((await migrate(computer, '--dry-run')).stdout).toBe(`1 pending:\n  ${SECOND}\n`)
    expect((await migrate(computer, 'mark', FIRST, '--pending', '--yes')).code).toBe(0)
    expect((await migrate(computer, '--dry-run')).stdout).toContain('2 pending')
  })

  test.each(['ts', 'py', 'sh'])(
    'new --lang %s writes the next number, which runs and is idempotent',
    async (lang) => {
      const computer = await twoMigrations()
      const made = await migrate(
        computer,
        'new',
        'Rename the  cache-key!',
        '--version',
        '1.2.0',
        '--lang',
        lang,
      )
      const id = `1.2.0/002_rename_the_cache_key.${lang}`
      expect(made.stdout).toBe(`wrote ${computer.checkout}/migrations/v${id}\n`)
      expect((await migrate(computer)).stderr).toContain(`v${id} is not in the commit, and is not run`)
      expect((await migrate(computer, '--worktree')).code).toBe(0)
      expect(computer.state('migration_state.json')).toMatchObject({ applied: [FIRST, SECOND, id] })
      const home = join(computer.folder, 'before')
      mkdirSync(home)
      const verified = await migrate(computer, 'verify', id, '--home', home, '--checkout', computer.checkout)
      expect(verified).toMatchObject({ code: 0, stdout: `✓ ${id}\n` })
    },
  )

  test('verify shows what a second run changes, on a copy', async () => {
    const computer = await twoMigrations()
    place(
      computer,
      'migrations/v1.3.0/001_appends.mjs',
      `import { appendFileSync, readFileSync } from 'node:fs'
const file = process.env.TELEC_HOME + '/list'
export const check = () => readFileSync(file, 'utf8').includes('more')
export const migrate = () => (appendFileSync(file, 'more\\n'), true)
`,
    )
    const home = join(computer.folder, 'before')
    mkdirSync(home)
    writeFileSync(join(home, 'list'), 'one\n')
    const chosen = ['verify', '1.3.0/001_appends.mjs', '--home', home, '--checkout', computer.checkout]
    const { code, stdout } = await migrate(computer, ...chosen)
    expect(code).toBe(1)
    expect(stdout).toContain('✗ 1.3.0/001_appends.mjs: the second migrate() changed something')
    expect(stdout).toMatch(/~ home\/list\n.*line 3: - \n.*line 3: \+ more/)
    expect(stdout).not.toContain(FIRST)
    expect(readFileSync(join(home, 'list'), 'utf8')).toBe('one\n')
  })
})

test('verify proves the real example of the project', async () => {
  const computer = await freshComputer()
  const root = join(import.meta.dirname, '../..')
  const home = join(computer.folder, 'before')
  mkdirSync(home)
  writeFileSync(join(home, 'config.yml'), 'deployment:\n  poll: 30s  # often\n')
  const verified = await computer.telec('telec-migrate', ['verify', '--home', home, '--checkout', root])
  expect(verified).toMatchObject({ code: 0, stdout: '✓ 1.1.0/001_example.ts\n' })
})
