import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { markerMigration, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectMigrationFailure } from '../helpers/messages.ts'
import { halted, watchAndUpdate } from '../helpers/update.ts'

const NOT_YET = 'export function check() { return false }\n'

describe('a migration that fails halts the update with its id; the signal and the record stay, nothing is installed', () => {
  test.each<[string, string, string, string[]]>([
    [
      'it throws',
      '.mjs',
      `${NOT_YET}export function migrate() { throw new Error('the wheels came off') }`,
      ['the wheels came off'],
    ],
    [
      'it throws what is no error',
      '.mjs',
      `${NOT_YET}export function migrate() { throw 'wheels' }`,
      ['wheels'],
    ],
    [
      'it rejects',
      '.mjs',
      `${NOT_YET}export async function migrate() { await Promise.reject(new Error('later wheels')) }`,
      ['later wheels'],
    ],
    ['it returns false', '.mjs', `${NOT_YET}export function migrate() { return false }`, ['returned false']],
    ['it returns nothing', '.mjs', `${NOT_YET}export function migrate() {}`, ['undefined', 'true or false']],
    [
      'it returns 1 for true',
      '.mjs',
      `${NOT_YET}export function migrate() { return 1 }`,
      ['number', 'true or false'],
    ],
    [
      'its check returns a text',
      '.mjs',
      `export function check() { return 'no' }\nexport function migrate() { return true }`,
      ['check()', 'string'],
    ],
    [
      'its check throws',
      '.mjs',
      `export function check() { throw new Error('no look') }\nexport function migrate() { return true }`,
      ['check()', 'no look'],
    ],
    [
      'its check is still false afterwards',
      '.mjs',
      `${NOT_YET}export function migrate() { return true }`,
      ['not idempotent'],
    ],
    [
      'it leaves the process with 0',
      '.mjs',
      `${NOT_YET}export function migrate() { console.log('before'); process.exit(0) }`,
      ['exit code 0', 'before'],
    ],
    [
      'it leaves the process with 42',
      '.mjs',
      `${NOT_YET}export function migrate() { process.exit(42) }`,
      ['exit code 42'],
    ],
    [
      'it kills its process',
      '.mjs',
      `${NOT_YET}export function migrate() { process.kill(process.pid, 'SIGKILL'); return new Promise(() => setInterval(() => {}, 1000)) }`,
      ['SIGKILL'],
    ],
    [
      'it has an error that nobody catches',
      '.mjs',
      `${NOT_YET}export function migrate() { setTimeout(() => { throw new Error('stray') }); return new Promise(() => setInterval(() => {}, 1000)) }`,
      ['stray'],
    ],
    ['it has no migrate', '.mjs', NOT_YET, ['migrate()']],
    ['it has no check', '.mjs', 'export function migrate() { return true }', ['check()']],
    ['it does not parse', '.mjs', 'export function check( {', ['SyntaxError']],
    ['it does not parse as TypeScript', '.ts', 'export function check(: boolean {', ['002_bad.ts']],
    ['it imports what is not there', '.cjs', "require('leptons'); exports.check = () => false", ['leptons']],
  ])('%s', async (_, extension, text, parts) => {
    const computer = await freshComputer({ initArgs: ['--install', 'touch "$TELEC_HOME/installed"'] })
    const before = await computer.gitInCheckout('rev-parse', 'HEAD')
    const id = `1.1.0/002_bad${extension}`
    const commit = await computer.push({
      ...version('1.1.0'),
      ...markerMigration('1.1.0', '001_good.mjs'),
      [`migrations/v${id}`]: text,
      ...markerMigration('1.1.0', '003_after.mjs'),
    })
    expectMigrationFailure(await watchAndUpdate(computer), id, parts)
    expect(halted(computer)).toMatchObject({ step: 'migrate', migration: id, transient: false })
    expect(computer.state('status.json')).toMatchObject({ status: 'update_failed', migration: id, commit })
    expect(computer.state('update_state.json')).toMatchObject({
      deployed: { version: '1.0.0', commit: before },
    })
    expect(computer.state('update_signal.json')).toMatchObject({ target: { commit } })
    expect(computer.state('migration_state.json')).toMatchObject({ applied: ['1.1.0/001_good.mjs'] })
    expect(existsSync(join(computer.home, '003_after.mjs.marker'))).toBe(false)
    expect(existsSync(join(computer.home, 'installed'))).toBe(false)
  })
})

describe('after a migration failed', () => {
  const fixable = (text: string) => ({ 'migrations/v1.1.0/002_bad.mjs': text })
  const bad = `${NOT_YET}export function migrate() { return false }`
  const good = markerMigration('1.1.0', '002_bad.mjs')

  test('a new commit that fixes it is taken, and applied migrations do not run again', async () => {
    const computer = await freshComputer()
    await computer.push({ ...version('1.1.0'), ...markerMigration('1.1.0', '001_good.mjs'), ...fixable(bad) })
    await watchAndUpdate(computer)
    await computer.push(good)
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(computer.state('migration_state.json')).toMatchObject({
      applied: ['1.1.0/001_good.mjs', '1.1.0/002_bad.mjs'],
    })
    expect(readFileSync(join(computer.home, '001_good.mjs.marker'), 'utf8')).toBe('ran\n')
  })

  test('telec status says which, why, and how to continue', async () => {
    const computer = await freshComputer()
    await computer.push({ ...version('1.1.0'), ...fixable(bad) })
    await watchAndUpdate(computer)
    const { stdout } = await computer.telec('telec', ['status'])
    for (const part of [
      'halted     at migrate',
      '1.1.0/002_bad.mjs',
      'migrate() returned false',
      'telec-update --retry',
    ])
      expect(stdout).toContain(part)
  })
})
