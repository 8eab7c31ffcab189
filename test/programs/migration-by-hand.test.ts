import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { asNobody } from '../helpers/as-nobody.ts'
import type { Computer } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure, expectMigrationFailure } from '../helpers/messages.ts'
import { commit, place, placeMarker, timesRun } from '../helpers/migrations.ts'
import { DIST, execute, succeed } from '../helpers/programs.ts'
import { inTerminal } from '../helpers/terminal.ts'
import { readTree } from '../helpers/tree.ts'

const FIRST = '1.1.0/001_first.sh'
const SECOND = '1.2.0/001_second.mjs'
const BAD = '1.3.0/001_bad.sh'

const migrate = (computer: Computer, ...args: string[]) => computer.telec('telec-migrate', args)

/** Two that work, and one that cannot be asked. */
async function twoAndABadOne(): Promise<Computer> {
  const computer = await freshComputer()
  for (const id of [FIRST, SECOND]) placeMarker(computer, id)
  place(computer, `migrations/v${BAD}`, '#!/bin/sh\necho "no luck"\nexit 3\n')
  return computer
}

const look = (computer: Computer, ...args: string[]) =>
  asNobody(computer.folder, 'telec-migrate', args, computer.env)

async function letAllRead(computer: Computer): Promise<void> {
  await succeed('chmod', ['-R', 'a+rX', computer.folder])
}

describe('the current step', () => {
  const shownIn = async (computer: Computer, env: NodeJS.ProcessEnv): Promise<string> => {
    const command = [process.execPath, join(DIST, 'telec-migrate')]
    const { NO_COLOR: _, ...plain } = computer.env
    return (await inTerminal([], command, { env: { ...plain, TERM: 'xterm', ...env } })).stdout
  }

  test('is a line of its own in a terminal, which the log replaces', async () => {
    const computer = await twoAndABadOne()
    const shown = await shownIn(computer, {})
    expect(shown).toContain(`migrating 1 of 3: ${FIRST}\r\u001b[Kmigrate: ${FIRST} done (`)
    expect(shown).toContain(`migrating 3 of 3: ${BAD}\r\u001b[K`)
    expect(shown).toContain(`\u001b[31mtelec-migrate: migration ${BAD} failed in check()\u001b[0m\r\n`)
    const left = shown.split('\r\n').map((line) => line.split('\r\u001b[K').at(-1))
    expect(left.filter((line) => line?.includes(' of 3: '))).toEqual([])
  })

  test('is so without colours, too', async () => {
    const shown = await shownIn(await twoAndABadOne(), { NO_COLOR: '1' })
    expect(shown).toContain(`migrating 1 of 3: ${FIRST}\r\u001b[K`)
    expect(shown).not.toContain('\u001b[3')
  })

  test('is not shown where the terminal cannot erase', async () => {
    const shown = await shownIn(await twoAndABadOne(), { TERM: 'dumb' })
    expect(shown).not.toContain('\u001b')
    expect(shown).not.toContain(' of 3: ')
    expect(shown).toContain(`\r\nmigrate: ${FIRST} done (`)
  })

  test('is not shown in a file: a line for each that is done, and no control characters', async () => {
    const { NO_COLOR: _, ...env } = (await twoAndABadOne()).env
    const { stdout, stderr } = await execute(process.execPath, [join(DIST, 'telec-migrate')], { env })
    expect(stdout).toBe(`3 pending:\n  ${FIRST}\n  ${SECOND}\n  ${BAD}\n`)
    const lines = stderr.split('\n').filter((line) => line.startsWith('migrate: '))
    expect(lines).toEqual([FIRST, SECOND].map((id) => expect.stringMatching(`^migrate: ${id} done \\(`)))
    expect(stderr).not.toMatch(/\p{Cc}(?<!\n)/u)
  })
})

test.each(['stdout', 'stderr'] as const)(
  'a reader of %s who leaves does not end the work',
  async (stream) => {
    const computer = await twoAndABadOne()
    rmSync(join(computer.checkout, `migrations/v${BAD}`))
    commit(computer, 'migrations')
    const child = spawn(process.execPath, [join(DIST, 'telec-migrate')], { env: computer.env })
    child[stream].destroy()
    child[stream === 'stdout' ? 'stderr' : 'stdout'].resume()
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(computer.state('migration_state.json')).toMatchObject({ applied: [FIRST, SECOND] })
  },
)

describe('one that fails', () => {
  test('is in the output of --json, with the work that was done', async () => {
    const computer = await twoAndABadOne()
    writeFileSync(join(computer.home, '001_second.mjs.ran'), 'by hand\n')
    const ended = await migrate(computer, '--json')
    expectMigrationFailure(ended, BAD, ['no luck'])
    expect(JSON.parse(ended.stdout)).toEqual({
      version: 1,
      pending: [FIRST, SECOND, BAD].map((id) => ({ id, late: false })),
      changed: [],
      gone: [],
      run: 1,
      satisfied: 1,
      failed: {
        id: BAD,
        message: `migration ${BAD} failed in check()`,
        because: expect.stringContaining('no luck'),
      },
    })
  })

  test('does not keep status --check from asking the others', async () => {
    const computer = await freshComputer()
    place(computer, 'migrations/v1.1.0/000_bad.mjs', "throw new Error('no luck')")
    for (const id of [FIRST, SECOND]) placeMarker(computer, id)
    await migrate(computer, 'mark', SECOND, '--applied', '--yes')
    const { code, stdout } = await migrate(computer, 'status', '--check')
    expect(code).toBe(1)
    expect(stdout).toMatch(/000_bad\.mjs +pending +check\(\) failed\n {2}Error: no luck\n/)
    expect(stdout).toMatch(/001_first\.sh +pending\n/)
    expect(stdout).toMatch(/001_second\.mjs +applied .* marked; no longer true\n/)
    const rows = JSON.parse((await migrate(computer, 'status', '--check', '--json')).stdout)
    expect(rows).toMatchObject([
      { drift: 'check() failed', error: expect.stringContaining('no luck') },
      { id: FIRST, state: 'pending', drift: null, error: null },
      { id: SECOND, state: 'applied', drift: 'no longer true', error: null, changed: false },
    ])
  })
})

test('while one runs, a second one exits with 75, names the first, and changes nothing', async () => {
  const computer = await freshComputer()
  const gate = join(computer.folder, 'gate')
  await succeed('mkfifo', [gate])
  const text = `#!/bin/sh\n[ $1 = check ] && exec test -e "$TELEC_HOME/passed"
echo 'at the gate'; read _ <'${gate}'; touch "$TELEC_HOME/passed"\n`
  place(computer, `migrations/v${FIRST}`, text)
  placeMarker(computer, SECOND)
  const first = spawn(process.execPath, [join(DIST, 'telec-migrate')], { env: computer.env })
  onTestFinished(() => void first.kill())
  await new Promise<void>((resolve) => {
    first.stderr.on('data', (chunk) => String(chunk).includes('at the gate') && resolve())
  })
  for (const args of [[], ['--json'], ['mark', SECOND, '--applied', '--yes']])
    expectFailure(await migrate(computer, ...args), 75, [`telec-migrate, pid ${first.pid}, since 20`])
  for (const args of [['--dry-run'], ['status']])
    expect((await migrate(computer, ...args)).stdout).toMatch(new RegExp(`${SECOND}`))
  expect(timesRun(computer, SECOND)).toBe(0)
  const exit = once(first, 'exit')
  writeFileSync(gate, 'go\n')
  expect(await exit).toEqual([0, null])
  expect(computer.state('migration_state.json')).toMatchObject({ applied: [FIRST, SECOND] })
  expect((await migrate(computer)).stdout).toBe('nothing to migrate\n')
})

describe('--from and --to', () => {
  const IDS = ['1.1.0-rc.1/001_a.sh', '1.1.0/001_b.sh', '1.9.0/001_c.sh', '1.10.0/001_d.sh', '2.0.0/001_e.sh']
  const computer = async () => {
    const made = await freshComputer()
    for (const id of IDS) placeMarker(made, id)
    return made
  }

  test('narrow the plan to versions above the one and up to the other', async () => {
    const one = await computer()
    for (const [args, ids] of [
      [[], IDS],
      [['--to', '1.1.0-rc.1'], IDS.slice(0, 1)],
      [['--from', '1.1.0-rc.1', '--to', '1.1'], IDS.slice(1, 2)],
      [['--from', '1.1.0-rc.0', '--to', '1.9.5'], IDS.slice(0, 3)],
      [['--from', 'v1.9.0'], IDS.slice(3)],
      [['--from', '1.9.0+mac', '--to', '1.10.0+linux'], IDS.slice(3, 4)],
      [['--from', '0.0.1', '--to', '99.0.0'], IDS],
      [['--from', '1.9.0', '--to', '1.9.0'], []],
      [['--from', '2.0.0', '--to', '1.0.0'], []],
      [['--to', '1.0.0'], []],
    ] as const) {
      const { pending } = JSON.parse((await migrate(one, '--dry-run', '--json', ...args)).stdout)
      expect({ args, ids: pending.map(({ id }: { id: string }) => id) }).toEqual({ args, ids })
    }
  })

  test('leave for later what they leave out, which no run forgets', async () => {
    const one = await computer()
    const applied = () => one.state('migration_state.json')?.applied
    await migrate(one, '--from', '1.1.0', '--to', '1.10.0')
    expect(applied()).toEqual(IDS.slice(2, 4))
    await migrate(one, '--to', '1.1.0')
    expect(applied()).toEqual([...IDS.slice(2, 4), ...IDS.slice(0, 2)])
    expect((await migrate(one)).stdout).toBe(`1 pending:\n  ${IDS[4]}\n1 run, 0 satisfied already\n`)
    expect((await migrate(one, '--from', '0.1.0')).stdout).toBe('nothing to migrate\n')
    for (const id of IDS) expect(timesRun(one, id)).toBe(1)
  })

  test('take a version, and nothing else', async () => {
    const one = await computer()
    for (const args of [['--from', 'newest'], ['--to', '1.2.3.4'], ['--to', ''], ['--from']])
      expect(await migrate(one, ...args)).toMatchObject({ code: 2, stdout: '' })
  })
})

describe('where there are no migrations, there is nothing to do:', () => {
  test.each<[string, (computer: Computer) => unknown]>([
    ['no folder', () => undefined],
    ['an empty folder', ({ checkout }) => mkdirSync(join(checkout, 'migrations'))],
    [
      'a version without any',
      ({ checkout }) => mkdirSync(join(checkout, 'migrations/v1.1.0'), { recursive: true }),
    ],
    ['a file of that name', ({ checkout }) => writeFileSync(join(checkout, 'migrations'), '')],
    ['documents alone', (computer) => place(computer, 'migrations/v1.1.0/README.md', '# Why')],
  ])('%s', async (_, arrange) => {
    const computer = await freshComputer()
    arrange(computer)
    expect(await migrate(computer)).toMatchObject({ code: 0, stdout: 'nothing to migrate\n' })
    expect((await migrate(computer, '--dry-run', '--json')).stdout).toContain('"pending": []')
    expect(await migrate(computer, 'status', '--check')).toMatchObject({
      code: 0,
      stdout: 'there are no migrations\n',
    })
  })

  test('a checkout that went back before the first of them', async () => {
    const computer = await freshComputer()
    placeMarker(computer, FIRST)
    await migrate(computer)
    renameSync(join(computer.checkout, 'migrations'), join(computer.folder, 'aside'))
    const gone = `${FIRST} was applied here, and is no longer in the checkout\n`
    expect(await migrate(computer)).toMatchObject({ code: 0, stdout: `nothing to migrate\n${gone}` })
    renameSync(join(computer.folder, 'aside'), join(computer.checkout, 'migrations'))
    expect(await migrate(computer)).toMatchObject({ code: 0, stdout: 'nothing to migrate\n' })
    expect(timesRun(computer, FIRST)).toBe(1)
  })
})

describe('a script', () => {
  test.each(['mjs', 'py', 'sh'])('in .%s may be a link to one in another folder', async (extension) => {
    const computer = await freshComputer()
    placeMarker(computer, `0.1.0/001_kept.${extension}`)
    renameSync(join(computer.checkout, 'migrations/v0.1.0'), join(computer.checkout, 'shared'))
    mkdirSync(join(computer.checkout, 'migrations/v1.1.0'), { recursive: true })
    const id = `1.1.0/001_linked.${extension}`
    symlinkSync(`../../shared/001_kept.${extension}`, join(computer.checkout, `migrations/v${id}`))
    commit(computer, '.')
    const ended = await migrate(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    expect(timesRun(computer, `0.1.0/001_kept.${extension}`)).toBe(1)
    expect((await migrate(computer, 'status', '--json')).stdout).toContain('"changed": false')
  })

  test('or a folder of them that the user may not read is an error that names it', async () => {
    const computer = await freshComputer()
    for (const id of [FIRST, SECOND]) placeMarker(computer, id)
    await migrate(computer)
    await letAllRead(computer)
    expect((await look(computer, 'status')).code).toBe(0)
    chmodSync(join(computer.checkout, `migrations/v${SECOND}`), 0o000)
    expectFailure(await look(computer, 'status'), 1, [`migration ${SECOND} cannot be read`, 'EACCES'])
    chmodSync(join(computer.checkout, 'migrations/v1.1.0'), 0o000)
    const folder = join(computer.checkout, 'migrations/v1.1.0')
    expectFailure(await look(computer, '--dry-run'), 1, [`cannot read ${folder}`, 'EACCES'])
  })

  test('that is a folder, or a link to one, is badly named, and nothing is run', async () => {
    const computer = await freshComputer()
    placeMarker(computer, FIRST)
    symlinkSync('.', join(computer.checkout, 'migrations/v1.1.0/003_y.py'))
    place(computer, 'migrations/v1.1.0/002_x.mjs/file', '')
    commit(computer, 'migrations')
    const parts = ['v1.1.0/002_x.mjs: is a folder', 'v1.1.0/003_y.py: is a folder']
    for (const args of [[], ['--dry-run'], ['status'], ['new', 'x']])
      expectFailure(await migrate(computer, ...args), 1, parts)
    expect(timesRun(computer, FIRST)).toBe(0)
  })
})

describe('mark', () => {
  test('changes nothing without --yes, and says what it did as JSON', async () => {
    const computer = await twoAndABadOne()
    const before = readTree(computer.home)
    for (const args of [['--applied'], ['--pending'], ['--applied', '--pending', '--yes'], ['--yes']])
      expectFailure(await migrate(computer, 'mark', FIRST, ...args), 2)
    expect({ ...readTree(computer.home), 'telec.lock': '' }).toEqual({ ...before, 'telec.lock': '' })
    const mark = async (id: string, flag: string) =>
      JSON.parse((await migrate(computer, 'mark', id, flag, '--yes', '--json')).stdout)
    expect(await mark(BAD, '--applied')).toMatchObject({ id: BAD, state: 'applied' })
    expect((await migrate(computer)).code).toBe(0)
    expect(computer.state('migration_state.json')).toMatchObject({ applied: [BAD, FIRST, SECOND] })
    expect(await mark(FIRST, '--pending')).toMatchObject({ id: FIRST, state: 'pending' })
    expect((await migrate(computer)).stdout).toContain('0 run, 1 satisfied already')
    expect(timesRun(computer, FIRST)).toBe(1)
  })

  test('forgets one that was removed', async () => {
    const computer = await freshComputer()
    placeMarker(computer, FIRST)
    await migrate(computer)
    rmSync(join(computer.checkout, `migrations/v${FIRST}`))
    expect((await migrate(computer, 'status')).stdout).toMatch(/001_first\.sh +gone +20/)
    expect((await migrate(computer, 'mark', FIRST, '--pending', '--yes')).code).toBe(0)
    expect((await migrate(computer, 'status')).stdout).toBe('there are no migrations\n')
    expectFailure(await migrate(computer, 'mark', FIRST, '--pending', '--yes'), 2, [`no migration ${FIRST}`])
  })
})

test('status separates migrations of the version at which telec was set up from pending ones', async () => {
  const computer = await freshComputer()
  for (const id of ['0.9.0/001_x.sh', '1.0.0/001_y.sh', FIRST]) placeMarker(computer, id)
  const { stdout } = await migrate(computer, 'status')
  expect(stdout).toMatch(
    /^0\.9\.0\/001_x\.sh +before\n1\.0\.0\/001_y\.sh +before\n1\.1\.0\/001_first\.sh +pending\n$/,
  )
  expect((await migrate(computer, 'status', '--check')).code).toBe(0)
})

test('what only looks needs no home that can be written', async () => {
  const computer = await freshComputer()
  for (const id of [FIRST, SECOND]) placeMarker(computer, id)
  await migrate(computer, '--to', '1.1.0')
  await succeed('mount', ['--bind', computer.home, computer.home])
  onTestFinished(async () => void (await execute('umount', ['-l', computer.home])))
  await succeed('mount', ['-o', 'remount,bind,ro', computer.home])
  expect(await migrate(computer, '--dry-run')).toMatchObject({ code: 0, stdout: `1 pending:\n  ${SECOND}\n` })
  expect((await migrate(computer, 'status', '--check')).code).toBe(0)
  expect((await migrate(computer, 'new', 'x')).code).toBe(0)
  const verify = ['verify', FIRST, '--home', computer.home, '--checkout', computer.checkout]
  expect((await migrate(computer, ...verify)).stdout).toContain('the second migrate() changed something')
  for (const args of [[], ['mark', SECOND, '--applied', '--yes']])
    expectFailure(await migrate(computer, ...args), 1, ['telec.lock', 'read-only'])
})
