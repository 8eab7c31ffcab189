import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Computer } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { place } from '../helpers/migrations.ts'
import { mode } from '../helpers/tree.ts'

const make = (computer: Computer, ...args: string[]) => computer.telec('telec-migrate', ['new', ...args])
const migrations = (computer: Computer, name = '') => join(computer.checkout, 'migrations', name)

/** The empty mark of the templates, replaced by what an author would write: a line in a list. */
const FILLED: Record<string, [string, string]> = {
  ts: ["writeFileSync(marker, '')", "writeFileSync(marker, 'renamed: true\\n')"],
  py: ['MARKER.touch()', 'MARKER.write_text("renamed: true\\n")'],
  sh: ['touch "$marker"', 'echo "renamed: true" >"$marker"'],
}

describe.each(['ts', 'py', 'sh'])('new --lang %s', (lang) => {
  test('takes any description, and verify accepts the template once it is filled', async () => {
    const computer = await freshComputer()
    const description = 'drop the """old""" \\N{x} \\u12 `keys` $of $(touch pwned)\u2028throw */ "here"'
    const made = await make(computer, description, '--version', '1.1.0', '--lang', lang, '--json')
    const id = `1.1.0/001_drop_the_old_n_x_u12_keys_of_touch_pwned_throw_here.${lang}`
    const path = migrations(computer, `v${id}`)
    expect(JSON.parse(made.stdout)).toEqual({ version: 1, id, path })
    const [mark, line] = FILLED[lang] ?? ['', '']
    const text = readFileSync(path, 'utf8')
    expect(text).toContain(mark)
    writeFileSync(path, text.replace(mark, line))
    const home = join(computer.folder, 'before')
    mkdirSync(home)
    const verified = await computer.telec('telec-migrate', [
      'verify',
      '--home',
      home,
      '--checkout',
      computer.checkout,
    ])
    expect(verified).toMatchObject({ code: 0, stdout: `✓ ${id}\n` })
    const ran = await computer.telec('telec-migrate', ['--worktree'])
    expect(ran, ran.stderr).toMatchObject({ code: 0 })
    const left = readFileSync(join(computer.home, 'what-this-migration-leaves'), 'utf8')
    expect(left).toBe('renamed: true\n')
    expect(await computer.gitInCheckout('status', '--short')).toBe('?? migrations/')
  })
})

describe('new', () => {
  test('is read by all, as the rest of a checkout is, and runs where it must', async () => {
    const computer = await freshComputer()
    for (const lang of ['ts', 'sh']) await make(computer, 'x', '--version', '1.1.0', '--lang', lang)
    for (const [name, bits] of [
      ['', '755'],
      ['v1.1.0', '755'],
      ['v1.1.0/001_x.ts', '644'],
      ['v1.1.0/002_x.sh', '755'],
    ] as const)
      expect(mode(migrations(computer, name)), name).toBe(bits)
  })

  test('counts on in its own version, beyond gaps, prereleases and build metadata', async () => {
    const computer = await freshComputer()
    place(computer, 'migrations/v1.1.0/001_a.js', '')
    place(computer, 'migrations/v1.1.0/009_b.py', '')
    place(computer, 'migrations/v1.2.0+linux/041_c.js', '')
    place(computer, 'migrations/v1.3.0/999_d.js', '')
    for (const [version, file] of [
      ['1.1.0', 'v1.1.0/010_x.ts'],
      ['1.1', 'v1.1.0/011_x.ts'],
      ['v1.1.0-rc.1', 'v1.1.0-rc.1/001_x.ts'],
      ['1.2.0', 'v1.2.0/042_x.ts'],
      ['1.3.0', 'v1.3.0/1000_x.ts'],
    ] as const)
      expect((await make(computer, 'x', '--version', version)).stdout).toBe(
        `wrote ${migrations(computer, file)}\n`,
      )
    expect((await computer.telec('telec-migrate', ['--dry-run', '--worktree'])).code).toBe(0)
  })

  test('is for the version that is deployed and in TypeScript where nothing else is said', async () => {
    const computer = await freshComputer()
    expect((await make(computer, 'x')).stdout).toBe(`wrote ${migrations(computer, 'v1.0.0/001_x.ts')}\n`)
  })

  test('cuts a name that is long, and keeps the description', async () => {
    const computer = await freshComputer()
    const long = 'rename it '.repeat(50)
    const made = await make(computer, long, '--version', '1.1.0')
    const file = `001_${'rename_it_'.repeat(6).slice(0, -1)}.ts`
    expect(made).toMatchObject({ code: 0, stdout: `wrote ${migrations(computer, `v1.1.0/${file}`)}\n` })
    expect(readFileSync(migrations(computer, `v1.1.0/${file}`), 'utf8')).toContain(long.trim())
  })

  test('writes nothing where it cannot', async () => {
    const computer = await freshComputer()
    expectFailure(await make(computer, '…'), 2, ['has no letter or digit'])
    for (const args of [['x', '--lang', 'rb'], ['x', '--version', 'newest'], []])
      expect((await make(computer, ...args)).code).toBe(2)
    expect(await computer.gitInCheckout('status', '--short')).toBe('')
    place(computer, 'migrations/v1.1.0/1_bad.js', '')
    expectFailure(await make(computer, 'x', '--version', '1.1.0'), 1, ['v1.1.0/1_bad.js'])
    rmSync(migrations(computer, 'v1.1.0'), { recursive: true })
    writeFileSync(migrations(computer, 'v1.1.0'), 'a file where the folder must be')
    expectFailure(await make(computer, 'x', '--version', '1.1.0'), 1, ['cannot write', 'v1.1.0', 'EEXIST'])
  })
})
