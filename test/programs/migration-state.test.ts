import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { asNobody } from '../helpers/as-nobody.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { commit, place, placeMarker, timesRun } from '../helpers/migrations.ts'
import { execute, succeed } from '../helpers/programs.ts'

const ID = '1.1.0/001_a.mjs'
const ENTRY = { id: ID, at: '2099-01-01T00:00:00.000Z', ms: 3, how: 'run', telec: '0.1.0', sha256: 'ab' }

describe('a record that cannot be understood is left as it is, and nothing is run:', () => {
  test.each<[string, string, string, string[]]>([
    ['cut in half', 'migration_state.json', '{"applied": ["1.1.0/0', []],
    ['empty', 'migration_state.json', '', ['empty']],
    ['of a newer telec', 'migration_state.json', '{"schema": 2, "applied": []}', ['schema', 'newer telec']],
    ['of another shape', 'migration_state.json', '{"applied": {"1.1.0": true}}', ['applied']],
    [
      'a journal with garbage inside',
      'migration_state.journal',
      `${JSON.stringify(ENTRY)}\n{"id"\nmore\n`,
      [':2 cannot'],
    ],
  ])('%s', async (_, name, text, parts) => {
    const computer = await freshComputer()
    placeMarker(computer, ID)
    const good = readFileSync(join(computer.home, 'migration_state.json'), 'utf8')
    computer.writeState(name, text)
    expectFailure(await computer.telec('telec-migrate'), 1, [name, ...parts])
    expect(readFileSync(join(computer.home, name), 'utf8')).toBe(text)
    expect(existsSync(join(computer.home, '001_a.mjs.ran'))).toBe(false)
    if (name === 'migration_state.json') computer.writeState(name, good)
    else rmSync(join(computer.home, name))
    expect((await computer.telec('telec-migrate')).code).toBe(0)
  })
})

test('a journal whose last line was cut short counts up to there', async () => {
  const computer = await freshComputer()
  placeMarker(computer, ID)
  placeMarker(computer, '1.1.0/002_b.mjs')
  computer.writeState('migration_state.journal', `${JSON.stringify(ENTRY)}\n{"id": "1.1.0/002_b.m`)
  expect((await computer.telec('telec-migrate')).stdout).toBe(
    '1 pending:\n  1.1.0/002_b.mjs\n1 run, 0 satisfied already\n'.replace(
      '\n1 run',
      `\n${ID} has changed since it was applied here; it is not run again\n1 run`,
    ),
  )
  expect(computer.state('migration_state.json')).toMatchObject({ applied: [ID, '1.1.0/002_b.mjs'] })
})

test('a file that holds only applied is read and extended, and foreign fields are kept', async () => {
  const computer = await freshComputer()
  for (const id of [ID, '1.1.0/002_b.mjs']) placeMarker(computer, id)
  computer.writeState('migration_state.json', JSON.stringify({ applied: [ID], note: 'mine' }))
  expect((await computer.telec('telec-migrate')).code).toBe(0)
  const state = computer.state('migration_state.json')
  expect(state).toMatchObject({
    schema: 1,
    baseline: '1.0.0',
    applied: [ID, '1.1.0/002_b.mjs'],
    note: 'mine',
  })
  expect(state?.details).toEqual({
    '1.1.0/002_b.mjs': {
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      ms: expect.any(Number),
      how: 'run',
      telec: expect.stringMatching(/^\d+\.\d+\.\d+/),
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    },
  })
})

describe('a full disk halts, and the update continues with more room:', () => {
  test('full', async () => {
    const computer = await freshComputer()
    placeMarker(computer, ID)
    const aside = join(computer.folder, 'aside')
    await succeed('cp', ['-a', computer.home, aside])
    await succeed('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'telec-test', computer.home])
    onTestFinished(async () => void (await execute('umount', ['-l', computer.home])))
    await succeed('cp', ['-a', `${aside}/.`, computer.home])
    const before = readFileSync(join(computer.home, 'migration_state.json'), 'utf8')
    await execute('dd', ['if=/dev/zero', `of=${join(computer.home, 'filler')}`, 'bs=4k'])
    expect((await computer.telec('telec-migrate')).code).not.toBe(0)
    expect(readFileSync(join(computer.home, 'migration_state.json'), 'utf8')).toBe(before)
    rmSync(join(computer.home, 'filler'))
    expect((await computer.telec('telec-migrate')).code).toBe(0)
    expect(computer.state('migration_state.json')).toMatchObject({ applied: [ID] })
  })

  test('read-only', async () => {
    const computer = await freshComputer()
    placeMarker(computer, ID)
    await succeed('mount', ['--bind', computer.home, computer.home])
    onTestFinished(async () => void (await execute('umount', ['-l', computer.home])))
    await succeed('mount', ['-o', 'remount,bind,ro', computer.home])
    expectFailure(await computer.telec('telec-migrate'), 1, ['telec.lock', 'read-only'])
    await succeed('mount', ['-o', 'remount,bind,rw', computer.home])
    expect((await computer.telec('telec-migrate')).code).toBe(0)
  })

  test('a folder in the place of the file', async () => {
    const computer = await freshComputer()
    placeMarker(computer, ID)
    rmSync(join(computer.home, 'migration_state.json'))
    mkdirSync(join(computer.home, 'migration_state.json'))
    expectFailure(await computer.telec('telec-migrate'), 1, ['migration_state.json'])
    rmSync(join(computer.home, 'migration_state.json'), { recursive: true })
    writeFileSync(join(computer.home, 'migration_state.json'), '{"applied": [], "baseline": "1.0.0"}')
    expect((await computer.telec('telec-migrate')).code).toBe(0)
  })
})

test('while another telec works it is not run, and the message says who that is', async () => {
  const computer = await freshComputer()
  placeMarker(computer, ID)
  const path = join(computer.home, 'telec.lock')
  // flock(1) is the other one: it holds the lock until its input ends.
  const holder = spawn('flock', [
    '--exclusive',
    path,
    'sh',
    '-c',
    `echo "telec-update, pid $$" >'${path}'; echo; read _`,
  ])
  await once(holder.stdout, 'data')
  for (const args of [[], ['mark', ID, '--applied', '--yes']])
    expectFailure(await computer.telec('telec-migrate', args), 75, ['telec-update, pid'])
  expect((await computer.telec('telec-migrate', ['--dry-run'])).code).toBe(0)
  expect(computer.state('migration_state.json')).toMatchObject({ applied: [] })
  holder.stdin.end()
  await once(holder, 'exit')
  expect((await computer.telec('telec-migrate')).code).toBe(0)
})

describe('what a run recorded that did not end', () => {
  const entryOf = (id: string, at: string) => `${JSON.stringify({ ...ENTRY, id, at, sha256: null })}\n`
  const thisBoot = () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const NEXT = '1.1.0/002_b.sh'
  const [BEFORE_BOOT, SINCE] = ['2020-01-01T00:00:00.000Z', '2099-01-01T00:00:00.000Z']

  test('before the boot is asked again, and runs again where its effect was lost', async () => {
    const computer = await freshComputer()
    for (const id of [ID, NEXT, '1.1.0/000_new.mjs']) placeMarker(computer, id)
    writeFileSync(join(computer.home, '002_b.sh.ran'), 'ran\n')
    computer.writeState(
      'migration_state.journal',
      `${entryOf(ID, BEFORE_BOOT)}${entryOf(NEXT, BEFORE_BOOT)}{"id":"1.1`,
    )
    expect((await computer.telec('telec-migrate', ['--dry-run'])).stdout).toContain(
      `${ID}  (recorded before the computer`,
    )
    const ended = await computer.telec('telec-migrate')
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    expect(ended.stderr).toContain(`${ID} was recorded, and its effect was lost: it ran again`)
    expect(ended.stderr).not.toContain(NEXT)
    expect([ID, NEXT, '1.1.0/000_new.mjs'].map((id) => timesRun(computer, id))).toEqual([1, 1, 1])
    expect(computer.state('migration_state.json')).toMatchObject({ applied: [ID, NEXT, '1.1.0/000_new.mjs'] })
    expect((await computer.telec('telec-migrate')).stdout).toBe('nothing to migrate\n')
  })

  test('is asked again after a boot, at any time, and not before', async () => {
    for (const [of, at, times] of [
      ['another', SINCE, 1],
      [thisBoot(), BEFORE_BOOT, 0],
    ] as const) {
      const computer = await freshComputer()
      placeMarker(computer, ID)
      computer.writeState('migration_state.journal', entryOf(ID, at).replace('{', `{"boot":"${of}",`))
      expect((await computer.telec('telec-migrate')).code).toBe(0)
      expect(timesRun(computer, ID)).toBe(times)
    }
  })

  test('stays in doubt where that run, too, is killed', async () => {
    const computer = await freshComputer()
    placeMarker(computer, NEXT)
    const kill =
      'export const check = () => false\nexport const migrate = () => process.kill(process.ppid, 9)\n'
    place(computer, 'migrations/v1.1.0/003_c.mjs', kill)
    computer.writeState('migration_state.journal', entryOf(NEXT, BEFORE_BOOT))
    expect((await computer.telec('telec-migrate')).signal).toBe('SIGKILL')
    const journal = readFileSync(join(computer.home, 'migration_state.journal'), 'utf8')
    const entries = journal.split('\n').map((line) => line && JSON.parse(line))
    expect(entries).toMatchObject([{ id: NEXT }, { id: NEXT, boot: thisBoot() }, ''])
    expect(timesRun(computer, NEXT)).toBe(1)
  })

  test('since the boot is believed', async () => {
    const computer = await freshComputer()
    placeMarker(computer, ID)
    computer.writeState('migration_state.journal', entryOf(ID, SINCE))
    expect((await computer.telec('telec-migrate')).stdout).toBe('nothing to migrate\n')
    expect(timesRun(computer, ID)).toBe(0)
  })
})

test('a record that this user must not read is an error that says so', async () => {
  const computer = await freshComputer()
  placeMarker(computer, ID)
  chmodSync(computer.folder, 0o755)
  chmodSync(computer.home, 0o755)
  chmodSync(join(computer.home, 'telec.lock'), 0o666)
  await execute('chmod', ['-R', 'a+rX', computer.checkout])
  chmodSync(join(computer.home, 'config.yml'), 0o644)
  chmodSync(join(computer.home, 'update_state.json'), 0o644)
  const ended = await asNobody(computer.folder, 'telec-migrate', [], computer.env)
  expectFailure(ended, 1, ['cannot read', 'migration_state.json', 'EACCES'])
  expect((await computer.telec('telec-migrate')).code).toBe(0)
})

test('a script that cannot be read is named, and nothing is run', async () => {
  const computer = await freshComputer()
  placeMarker(computer, '1.1.0/002_b.mjs')
  symlinkSync('/nonexistent', join(computer.checkout, 'migrations/v1.1.0/001_a.mjs'))
  commit(computer, 'migrations')
  expectFailure(await computer.telec('telec-migrate'), 1, [
    'migration 1.1.0/001_a.mjs cannot be read',
    'ENOENT',
  ])
  expect(existsSync(join(computer.home, '002_b.mjs.ran'))).toBe(false)
})
