import { existsSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Computer } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { commit, commitIndex, place, placeMarker, timesRun } from '../helpers/migrations.ts'

const migrate = (computer: Computer) => computer.telec('telec-migrate')
const ID = '1.1.0/001_a.mjs'
const DRAFT = '1.1.0/002_draft.mjs'
const RUNS_NEVER = "throw new Error('it ran')\n"

describe('what a link leads to is as the commit has it, or nothing runs:', () => {
  test('one that is a link, by what it leads to', async () => {
    const computer = await freshComputer()
    placeMarker(computer, ID)
    place(computer, 'shared/b.mjs', 'export const check = () => true\n')
    symlinkSync('../../shared/b.mjs', join(computer.checkout, 'migrations/v1.1.0/002_b.mjs'))
    commit(computer, 'migrations')
    writeFileSync(join(computer.checkout, 'shared/b.mjs'), RUNS_NEVER)
    expectFailure(await migrate(computer), 1, ['002_b.mjs differs from the commit', '+throw new Error'])
    await computer.gitInCheckout('checkout', '--', 'shared')
    expect((await migrate(computer)).code).toBe(0)
  })

  test('one that is a link to what no commit has', async () => {
    const computer = await freshComputer()
    placeMarker(computer, ID)
    writeFileSync(join(computer.folder, 'b.mjs'), RUNS_NEVER)
    symlinkSync('../../../b.mjs', join(computer.checkout, 'migrations/v1.1.0/002_b.mjs'))
    commit(computer, 'migrations')
    const why = `it links to ${join(computer.folder, 'b.mjs')}, outside of the checkout`
    expectFailure(await migrate(computer), 1, ['002_b.mjs differs from the commit', why])
  })

  test('a neighbour that is a link to a folder, by the files in it', async () => {
    const computer = await freshComputer()
    placeMarker(computer, ID)
    place(computer, 'src/lib/b.mjs', 'export const b = 1\n')
    symlinkSync('../src/lib', join(computer.checkout, 'migrations/lib'))
    commit(computer, 'migrations')
    writeFileSync(join(computer.checkout, 'src/lib/b.mjs'), RUNS_NEVER)
    expectFailure(await migrate(computer), 1, ['migrations/lib differs from the commit', '+throw new Error'])
    await computer.gitInCheckout('checkout', '--', 'src')
    expect((await migrate(computer)).code).toBe(0)
  })
})

test('a neighbour that is a submodule, or a link to what git does not know, halts nothing', async () => {
  const computer = await freshComputer()
  placeMarker(computer, ID)
  mkdirSync(join(computer.checkout, 'node_modules'))
  symlinkSync('../node_modules', join(computer.checkout, 'migrations/node_modules'))
  symlinkSync('/nowhere', join(computer.checkout, 'migrations/nothing'))
  commit(computer, 'migrations')
  const link = `160000,${await computer.gitInCheckout('rev-parse', 'HEAD')},migrations/lib`
  await computer.gitInCheckout('update-index', '--add', '--cacheinfo', link)
  mkdirSync(join(computer.checkout, 'migrations/lib'))
  commitIndex(computer)
  const ended = await migrate(computer)
  expect(ended, ended.stderr).toMatchObject({ code: 0 })
  expect(timesRun(computer, ID)).toBe(1)
})

test('a folder that leads out of the checkout has no migrations', async () => {
  const computer = await freshComputer()
  mkdirSync(join(computer.folder, 'out/v1.1.0'), { recursive: true })
  writeFileSync(join(computer.folder, `out/v${ID}`), RUNS_NEVER)
  symlinkSync('../out', join(computer.checkout, 'migrations'))
  commit(computer, 'migrations')
  const ended = await migrate(computer)
  expect(ended, ended.stderr).toMatchObject({ code: 0 })
  expect(ended.stdout).toContain(`migrations/v${ID} is not in the commit, and is not run`)
})

test('the folder may be a link within the checkout', async () => {
  const computer = await freshComputer()
  placeMarker(computer, ID)
  renameSync(join(computer.checkout, 'migrations'), join(computer.checkout, 'scripts'))
  symlinkSync('scripts', join(computer.checkout, 'migrations'))
  commit(computer, '.')
  writeFileSync(join(computer.checkout, `scripts/v${DRAFT}`), RUNS_NEVER)
  expect((await migrate(computer)).code).toBe(0)
  expect(computer.state('migration_state.json')).toMatchObject({ applied: [ID] })
  expect(existsSync(join(computer.checkout, `migrations/v${DRAFT}`))).toBe(true)
})
