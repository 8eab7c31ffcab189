import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { runTraced } from '../helpers/executed.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { succeed } from '../helpers/programs.ts'
import { halted, watchAndUpdate } from '../helpers/update.ts'

const FILES = { 'lock.json': '{"lock":1}\n', 'run.sh': 'echo 1\n', 'gone.txt': 'g\n', 'own.txt': 'own\n' }

const at = (computer: Computer, name: string) => join(computer.checkout, name)
const read = (computer: Computer, name: string) => readFileSync(at(computer, name), 'utf8')

/** A computer whose install command is this, at 1.1.0, which brought `FILES`. */
async function installing(command: string, files: Record<string, string> = {}): Promise<Computer> {
  const computer = await freshComputer()
  configure(computer, command)
  await computer.push({ ...version('1.1.0'), ...FILES, ...files })
  const ended = await watchAndUpdate(computer)
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  return computer
}

function configure(computer: Computer, command: string): void {
  const install = JSON.stringify(command)
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  install: ${install}\n`)
}

const CHANGES = 'sed -i s/1/9/ lock.json && chmod +x run.sh && rm -f gone.txt'

describe('what the install command changed in tracked files', () => {
  test('is said at once, by the update, the status and the doctor, with what to do', async () => {
    const computer = await freshComputer()
    configure(computer, CHANGES)
    await computer.push({ ...version('1.1.0'), ...FILES })
    const ended = await watchAndUpdate(computer)
    const said = 'the install command changed 3 tracked files: gone.txt, lock.json, run.sh'
    expect(ended.stderr).toContain(said)
    for (const command of ['status', 'doctor']) {
      const { stdout } = await computer.telec('telec', [command])
      for (const part of [said, 'npm ci', '.gitignore']) expect(stdout).toContain(part)
    }
    const { changed } = JSON.parse((await computer.telec('telec', ['status', '--json'])).stdout)
    expect(changed.map(({ path }: { path: string }) => path)).toEqual(['gone.txt', 'lock.json', 'run.sh'])
  })

  test('is known, too, where telec was killed while it ran', async () => {
    const computer = await installing('true')
    configure(computer, `${CHANGES}; [ -e .git/once ] || { touch .git/once; kill -s KILL $PPID; }`)
    await computer.push(version('1.2.0'))
    expect(await watchAndUpdate(computer)).toMatchObject({ signal: 'SIGKILL' })
    const ended = await computer.telec('telec-update')
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(ended.stderr).toContain('the install command changed 3 tracked files')
    await computer.push({ ...version('1.3.0'), 'lock.json': '{"lock":11}\n' })
    expect(await watchAndUpdate(computer)).toMatchObject({ code: 42 })
  })

  test('is put back before the next update, whose files all come, and kept in a ref that is named', async () => {
    const computer = await installing(CHANGES)
    await computer.push({
      ...version('1.2.0'),
      'lock.json': '{"lock":11}\n',
      'run.sh': 'echo 11\n',
      'gone.txt': 'h\n',
    })
    const ended = await watchAndUpdate(computer)
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(read(computer, 'lock.json')).toBe('{"lock":91}\n') // of the new one, and installed anew
    const [, ref = ''] = /had changed: .* (refs\/telec\/stash\/\w+)/.exec(ended.stderr) ?? []
    expect(await computer.gitInCheckout('show', `${ref}:lock.json`)).toBe('{"lock":9}')
    expect(await computer.gitInCheckout('ls-tree', ref, 'run.sh')).toMatch(/^100755/)
    expect((await computer.telec('telec', ['status'])).stdout).toContain(ref)
  })

  test('also where the next update does not touch it, or goes back, or the install command failed', async () => {
    const computer = await installing('echo more >>lock.json')
    await computer.push(version('1.2.0'))
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(read(computer, 'lock.json')).toBe('{"lock":1}\nmore\n') // once, not twice
    configure(computer, 'echo more >>lock.json; false')
    await computer.push({ ...version('1.3.0'), 'lock.json': '{"lock":2}\n' })
    expectFailure(await watchAndUpdate(computer), 1, ['the install command failed with exit code 1'])
    configure(computer, 'echo again >>lock.json')
    await computer.push({ ...version('1.4.0'), 'lock.json': '{"lock":3}\n' })
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(read(computer, 'lock.json')).toBe('{"lock":3}\nagain\n')
    const back = await computer.telec('telec', ['rollback'])
    expect(back, back.stderr).toMatchObject({ code: 42 })
    expect(read(computer, 'lock.json')).toBe('{"lock":1}\nagain\n')
  })

  test.each<[string, (computer: Computer) => void]>([
    ['its text', (one) => writeFileSync(at(one, 'lock.json'), '{"lock":"mine"}\n')],
    ['its mode', (one) => chmodSync(at(one, 'lock.json'), 0o755)],
  ])('and a person on top of it, %s, is the work of a person: the update halts', async (_, change) => {
    const computer = await installing(CHANGES)
    change(computer)
    const [text, { mode }] = [read(computer, 'lock.json'), statSync(at(computer, 'lock.json'))]
    await computer.push({ ...version('1.2.0'), 'lock.json': '{"lock":11}\n', 'run.sh': 'echo 11\n' })
    expectFailure(await watchAndUpdate(computer), 1, ['would overwrite 1 local file', 'lock.json'])
    expect(halted(computer)).toMatchObject({ because: 'lock.json' })
    expect([read(computer, 'lock.json'), statSync(at(computer, 'lock.json')).mode]).toEqual([text, mode])
    expect(statSync(at(computer, 'run.sh')).mode & 0o100).toBe(0o100) // nothing is put back where the update halts
  })

  test.each<[string, (computer: Computer) => Promise<void>]>([
    ['before the update', async () => undefined],
    [
      'by a person who pulled the update by hand',
      async (one) => {
        await one.gitInCheckout('pull', '--quiet')
      },
    ],
  ])('is not what was changed already %s', async (_, before) => {
    const computer = await installing(CHANGES)
    await computer.push({ ...version('1.2.0') })
    await before(computer)
    writeFileSync(at(computer, 'own.txt'), 'mine\n')
    expect((await watchAndUpdate(computer)).stderr).not.toMatch(/install command changed.*own\.txt/)
    await computer.push({ ...version('1.3.0'), 'own.txt': 'theirs\n' })
    expectFailure(await watchAndUpdate(computer), 1, ['would overwrite 1 local file', 'own.txt'])
    expect(read(computer, 'own.txt')).toBe('mine\n')
  })

  test('is not what a migration changed', async () => {
    const migration = `import { readFileSync, writeFileSync } from 'node:fs'
const path = process.env.TELEC_CHECKOUT + '/own.txt'
export const check = () => readFileSync(path, 'utf8') === 'migrated\\n'
export const migrate = () => { writeFileSync(path, 'migrated\\n'); return true }
`
    const computer = await installing(CHANGES, { 'migrations/v1.1.0/001_own.mjs': migration })
    const { changed } = JSON.parse((await computer.telec('telec', ['status', '--json'])).stdout)
    expect(changed.map(({ path }: { path: string }) => path)).toEqual(['gone.txt', 'lock.json', 'run.sh'])
    await computer.push({ ...version('1.2.0'), 'own.txt': 'theirs\n' })
    expectFailure(await watchAndUpdate(computer), 1, ['would overwrite 1 local file', 'own.txt'])
    expect(read(computer, 'own.txt')).toBe('migrated\n')
  })

  test('is known, too, where the index is split in two files', async () => {
    const computer = await installing('true')
    await computer.gitInCheckout('update-index', '--split-index')
    configure(computer, 'echo more >>lock.json')
    await computer.push(version('1.2.0'))
    await computer.gitInCheckout('config', 'core.splitIndex', 'true')
    expect((await watchAndUpdate(computer)).stderr).toContain('changed 1 tracked file: lock.json')
  })

  test('costs no git more where it changed nothing: eight, in every format of the index', async () => {
    for (const format of ['2', '4']) {
      const computer = await installing('true')
      await computer.push(version('1.2.0'))
      expect((await computer.telec('telec-watch')).code).toBe(0)
      await succeed('git', ['-C', computer.checkout, 'update-index', '--index-version', format])
      const { code, executed } = await runTraced(computer, 'telec-update', [])
      expect(code).toBe(42)
      const gits = executed.filter(({ path }) => path.endsWith('/bin/git')).map(({ argv }) => argv.at(-1))
      expect(gits.length, gits.join('\n')).toBe(8)
    }
  })
})

test('a HEAD that the install command moves halts before the restart, until that is fixed', async () => {
  const computer = await installing('true')
  const before = await computer.gitInCheckout('rev-parse', 'HEAD')
  configure(computer, 'git reset --quiet --hard HEAD~1')
  const pushed = await computer.push(version('1.2.0'))
  expectFailure(await watchAndUpdate(computer), 1, [`HEAD moved to ${before.slice(0, 12)}`, 'reflog'])
  expect(halted(computer)).toMatchObject({ step: 'install' })
  configure(computer, 'true')
  const ended = await computer.telec('telec-update', ['--retry'])
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(pushed)
})
