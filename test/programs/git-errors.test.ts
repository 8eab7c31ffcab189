import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { asNobody } from '../helpers/as-nobody.ts'
import { type Computer, version } from '../helpers/computer.ts'
import { runTraced } from '../helpers/executed.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { DIST, execute, succeed } from '../helpers/programs.ts'
import { recordOptions } from '../helpers/strace.ts'
import { halted, watchAndUpdate } from '../helpers/update.ts'
import { withGit } from '../helpers/with-git.ts'

/** As a power cut leaves a file: of its size, and zeros; or empty. */
function damage(path: string, how: 'empty' | 'zeros'): void {
  const size = how === 'empty' ? 0 : readFileSync(path).length
  chmodSync(path, 0o644)
  writeFileSync(path, Buffer.alloc(size))
}

describe('a failure is called by its cause', () => {
  test('a git that is too old, in telec-update and in telec doctor, before anything is touched', async () => {
    const computer = await freshComputer()
    const env = await withGit(computer, '[ "$*" != --version ] || { echo git version 2.25.1; exit 0; }')
    await computer.push(version('1.1.0'))
    expect((await computer.telec('telec-watch')).code).toBe(0)
    expectFailure(await computer.telec('telec-update', [], { env }), 78, ['git 2.25.1 is too old', '2.30'])
    const doctor = await computer.telec('telec', ['doctor'], { env })
    expect(doctor.stdout).toMatch(/✗ git +git 2\.25\.1 is too old/)
  })

  test('objects that belong to root: this computer is to blame, and the repair is named', async () => {
    const computer = await freshComputer()
    await computer.push(version('1.1.0'))
    chmodSync(computer.folder, 0o755)
    await succeed('chown', ['-R', '65534:65534', computer.checkout, computer.home])
    const objects = join(computer.checkout, '.git/objects')
    for (let index = 0; index < 256; index += 1)
      mkdirSync(join(objects, index.toString(16).padStart(2, '0')), { recursive: true })
    await succeed('chown', ['-R', '0:0', objects])
    const home = join(computer.folder, 'nobody')
    mkdirSync(home)
    writeFileSync(join(home, '.gitconfig'), '[safe]\n\tdirectory = *\n')
    const env = { ...computer.env, HOME: home }
    expect((await asNobody(computer.folder, 'telec-watch', [], env)).code).toBe(0)
    expectFailure(await asNobody(computer.folder, 'telec-update', [], env), 1, [
      'git is not allowed to write',
      'Permission denied',
      'chown -R',
    ])
    expect(halted(computer)).toMatchObject({ step: 'fetch', transient: false })
  })

  test.each<[string, (computer: Computer) => Promise<void>]>([
    ["the branch's ref is empty", async (one) => damage(join(one.checkout, '.git/refs/heads/main'), 'empty')],
    ["the branch's ref is zeros", async (one) => damage(join(one.checkout, '.git/refs/heads/main'), 'zeros')],
    [
      'packed-refs is zeros',
      async (one) => {
        await one.gitInCheckout('pack-refs', '--all')
        damage(join(one.checkout, '.git/packed-refs'), 'zeros')
      },
    ],
    ['the configuration is zeros', async (one) => damage(join(one.checkout, '.git/config'), 'zeros')],
  ])('a repository that is damaged: %s', async (_, harm) => {
    const computer = await freshComputer()
    expect((await computer.telec('telec-watch')).code).toBe(0)
    await computer.push(version('1.1.0'))
    const env = { ...computer.env }
    const watched = await computer.telec('telec-watch', [], { env })
    expect(watched, watched.stderr).toMatchObject({ code: 0 })
    await harm(computer)
    const ended = await computer.telec('telec-update')
    expectFailure(ended, 1, ['is damaged', 'telec repair'])
    expect(ended.stderr).not.toContain('out of reach')
    expect(halted(computer)).toMatchObject({ transient: false, next_try_at: null })
  })

  test('a server that fails in the middle of a fetch is the remote, also where it answers again', async () => {
    const computer = await freshComputer()
    const script = `case " $* " in *" fetch "*) echo 'fatal: early EOF' >&2; exit 128 ;; esac`
    const env = await withGit(computer, script)
    await computer.push(version('1.1.0'))
    expect((await computer.telec('telec-watch')).code).toBe(0)
    expectFailure(await computer.telec('telec-update', [], { env }), 75, ['out of reach', 'early EOF'])
  })

  test('words that nobody knows: the remote is asked, and where it answers, it is not to blame', async () => {
    const computer = await freshComputer()
    const script = `case " $* " in *" fetch "*) printf 'remote: 10%%\\rremote: 99%%\\r\\nfatal: the moon is full\\r\\n' >&2; exit 128 ;; esac`
    const env = await withGit(computer, script)
    await computer.push(version('1.1.0'))
    expect((await computer.telec('telec-watch')).code).toBe(0)
    const ended = await computer.telec('telec-update', [], { env })
    expectFailure(ended, 1, ['git fetch failed', '  remote: 99%\n  fatal: the moon is full\n'])
    const { stdout } = await computer.telec('telec', ['status'])
    expect(stdout).toContain('the moon is full\n')
    for (const text of [ended.stderr, stdout]) expect(text).not.toMatch(/\r|\\u000d/)
  })

  test('the line ends of Windows are line ends, in a commit too; a carriage return within a line is shown', async () => {
    const computer = await freshComputer({ initArgs: ['--install', 'false'] })
    await computer.push(version('1.1.0'), { message: 'add a thing\r\n\r\nas told\r\n' })
    await computer.push(version('1.1.1'), { message: 'looks like\rsomething else' })
    expectFailure(await watchAndUpdate(computer), 1, ['the install command failed'])
    const { stdout } = await computer.telec('telec', ['status'])
    expect(stdout).toMatch(/^ +add a thing$/m)
    expect(stdout).toContain('looks like␍something else\n')
  })
})

test('a branch that becomes a folder of branches is followed, there and back, and no other ref is touched', async () => {
  const computer = await freshComputer()
  /** The branch is the only one of its name at the remote, and is followed. */
  const follow = async (branch: string, number: string) => {
    const commit = await computer.push(version(number))
    await computer.git('push', '--quiet', 'origin', `HEAD:refs/heads/${branch}`)
    computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  branch: ${branch}\n`)
    const ended = await watchAndUpdate(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
    await computer.git('push', '--quiet', 'origin', `:refs/heads/${branch}`)
  }
  await computer.git('push', '--quiet', 'origin', 'HEAD:release')
  await computer.gitInCheckout('fetch', '--quiet')
  const remotes = () => computer.gitInCheckout('for-each-ref', 'refs/remotes/')
  const before = await remotes()
  await follow('release', '1.1.0')
  await follow('release/2.0', '1.2.0')
  await follow('release/2.0/a', '1.3.0')
  await follow('release', '1.4.0')
  expect(await remotes()).toBe(before)
})

describe('an update where nothing migrates', () => {
  test('starts git eight times', async () => {
    const computer = await freshComputer()
    await computer.push(version('1.1.0'))
    expect((await computer.telec('telec-watch')).code).toBe(0)
    const { code, executed } = await runTraced(computer, 'telec-update', [])
    expect(code).toBe(42)
    const gits = executed.filter(({ path }) => path.endsWith('/bin/git')).map(({ argv }) => argv.at(-1))
    expect(gits.length, gits.join('\n')).toBeLessThanOrEqual(8)
    expect(gits.length).toBeGreaterThan(4)
  })

  test("syncs twenty times, git's included", async () => {
    const computer = await freshComputer()
    await computer.push(version('1.1.0'))
    expect((await computer.telec('telec-watch')).code).toBe(0)
    const trace = join(computer.folder, 'trace')
    const program = [process.execPath, join(DIST, 'telec-update')]
    const ended = await execute('strace', [...recordOptions(trace), ...program], { env: computer.env })
    expect(ended.code).toBe(42)
    const calls = readFileSync(trace, 'utf8').split('\n')
    const syncs = calls.filter((line) => /^\d+ +(fsync|fdatasync|syncfs)\(/.test(line))
    expect(syncs.length, syncs.join('\n')).toBeLessThanOrEqual(20)
    expect(syncs.length).toBeGreaterThan(8)
  })
})
