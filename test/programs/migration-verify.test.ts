import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { asNobody } from '../helpers/as-nobody.ts'
import { expectFailure } from '../helpers/messages.ts'
import { DIST, type Ended, execute, succeed } from '../helpers/programs.ts'
import { readTree } from '../helpers/tree.ts'

const ID = '1.1.0/001_x.mjs'

/** A checkout and a home to verify with, without any telec set up: as in CI. */
interface Ci {
  readonly folder: string
  readonly home: string
  readonly checkout: string
  place(name: string, text: string): void
  verify(args?: readonly string[], env?: NodeJS.ProcessEnv): Promise<Ended>
}

function inCi(migration = ''): Ci {
  const folder = mkdtempSync(join(tmpdir(), 'telec-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const ci: Ci = {
    folder,
    home: join(folder, 'home'),
    checkout: join(folder, 'app'),
    place(name, text) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text)
    },
    verify: (args = [], env = {}) =>
      execute(process.execPath, [join(DIST, 'telec-migrate'), 'verify', '--home', ci.home, ...args], {
        cwd: ci.checkout,
        env: { ...process.env, TELEC_HOME: join(folder, 'no-telec'), NO_COLOR: '1', ...env },
      }),
  }
  ci.place('home/config.yml', 'poll: 30s\n')
  ci.place('app/package.json', '{"version": "1.1.0"}\n')
  if (migration) ci.place(`app/migrations/v${ID}`, migration)
  return ci
}

const HEAD = `import * as fs from 'node:fs'
const home = process.env.TELEC_HOME
const config = home + '/config.yml'
const done = home + '/done'
`
/** A migration whose `check` holds once `done` is there, from the statements of its `migrate`. */
const doing = (statements: string) => `${HEAD}export const check = () => fs.existsSync(done)
export function migrate() { ${statements}; fs.writeFileSync(done, ''); return true }
`
/** One that replaces the configuration, and is idempotent. */
const REPLACES = `${HEAD}export const check = () => fs.readFileSync(config, 'utf8') === 'poll_every: 30s\\n'
export const migrate = () => (fs.writeFileSync(config, 'poll_every: 30s\\n'), true)
`

describe('verify refuses a migration', () => {
  test.each<[string, string, string[]]>([
    [
      'whose check is false after it ran',
      `${HEAD}export const check = () => false\nexport const migrate = () => true\n`,
      ['check() is false after migrate()'],
    ],
    [
      'that refuses',
      `${HEAD}export const check = () => false\nexport const migrate = () => false\n`,
      ['migrate() returned false'],
    ],
    [
      'that refuses the second time',
      doing('if (fs.existsSync(done)) return false'),
      ['migrate() returned false the second time'],
    ],
    [
      'that fails the second time',
      doing("fs.mkdirSync(home + '/cache')"),
      ['failed in migrate()', 'EEXIST', '/cache'],
    ],
    [
      'whose check is false after the second run',
      `${HEAD}export const check = () => fs.existsSync(done)
export const migrate = () => (fs.existsSync(done) ? fs.rmSync(done) : fs.writeFileSync(done, ''), true)
`,
      ['check() is false after the second migrate()', '- home/done'],
    ],
    [
      'that changes a line again',
      doing("fs.appendFileSync(config, 'more: 1\\n')"),
      ['the second migrate() changed something', '~ home/config.yml', 'line 3: - \n', 'line 3: + more: 1'],
    ],
    ['that adds a file each time', doing("fs.mkdtempSync(home + '/run-')"), ['+ home/run-']],
    [
      'that changes a mode again',
      doing('fs.chmodSync(config, fs.existsSync(done) ? 0o600 : 0o644)'),
      ['~ home/config.yml', 'file 644, then file 600'],
    ],
    [
      'that turns a link round',
      doing(
        "const to = fs.existsSync(done) ? 'b' : 'a'; fs.rmSync(home + '/l', { force: true }); fs.symlinkSync(to, home + '/l')",
      ),
      ['~ home/l', '- a', '+ b'],
    ],
    [
      'that changes the checkout again',
      doing("fs.appendFileSync('package.json', ' ')"),
      ['~ checkout/package.json'],
    ],
    ['that throws', doing("throw new Error('no luck')"), ['failed in migrate()', 'no luck', '001_x.mjs:6']],
    ['that does not answer true or false', doing('return 1'), ['migrate() returned number']],
  ])('%s, and changes nothing but the copy', async (_, text, parts) => {
    const ci = inCi(text)
    const before = readTree(ci.folder)
    const { code, stdout, stderr } = await ci.verify()
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    for (const part of [`✗ ${ID}: `, ...parts]) expect(stdout).toContain(part)
    expect(readTree(ci.folder)).toEqual(before)
    const [verdict] = JSON.parse((await ci.verify(['--json'])).stdout)
    expect(verdict).toMatchObject({ id: ID, fault: expect.any(String), differences: expect.any(Array) })
  })

  test('of which there are others: those are proved all the same, each upon the one before', async () => {
    const ci = inCi(REPLACES)
    ci.place('app/migrations/v1.1.0/002_bad.mjs', doing("throw new Error('no luck')"))
    const third = `${HEAD}export const check = () => fs.existsSync(done)
export const migrate = () => (fs.cpSync(config, done), fs.readFileSync(done, 'utf8').startsWith('poll_every'))
`
    ci.place('app/migrations/v1.2.0/001_third.mjs', third)
    const { code, stdout } = await ci.verify()
    expect(code).toBe(1)
    expect(stdout.split('\n').filter((line) => /^\S/.test(line))).toEqual([
      `✓ ${ID}`,
      expect.stringMatching('^✗ 1.1.0/002_bad.mjs: '),
      '✓ 1.2.0/001_third.mjs',
    ])
    const chosen = await ci.verify([ID, '--json'])
    expect(chosen.code).toBe(0)
    expect(JSON.parse(chosen.stdout)).toEqual([{ version: 1, id: ID, fault: null, differences: [] }])
  })
})

describe('what verify proves, it proves on a copy:', () => {
  test('nothing of the home is changed, be it reached through links', async () => {
    const ci =
      inCi(`${HEAD}export const check = () => fs.readFileSync(home + '/linked/deep', 'utf8') === 'new'
export function migrate() {
  for (const file of ['config.yml', 'inside', 'linked/deep', 'absolute']) fs.writeFileSync(home + '/' + file, 'new')
  return fs.readFileSync(home + '/twin', 'utf8') === 'new'
}
`)
    rmSync(join(ci.home, 'config.yml'))
    ci.place('dotfiles/config.yml', 'old')
    ci.place('dotfiles/more/deep', 'old')
    ci.place('home/twin', 'old')
    symlinkSync('../dotfiles/config.yml', join(ci.home, 'config.yml'))
    symlinkSync(join(ci.folder, 'dotfiles/more'), join(ci.home, 'linked'))
    symlinkSync('twin', join(ci.home, 'inside'))
    symlinkSync(join(ci.home, 'twin'), join(ci.home, 'absolute'))
    symlinkSync(join(ci.folder, 'made-through-a-link'), join(ci.home, 'nowhere'))
    const before = readTree(ci.folder)
    expect(await ci.verify()).toMatchObject({ code: 0, stdout: `✓ ${ID}\n` })
    symlinkSync(ci.home, join(ci.folder, 'link-to-home'))
    expect(await ci.verify(['--home', join(ci.folder, 'link-to-home')])).toMatchObject({ code: 0 })
    rmSync(join(ci.folder, 'link-to-home'))
    expect(readTree(ci.folder)).toEqual(before)
  })

  test('sockets and pipes, repositories, and the place of the copy itself are left out of it', async () => {
    const ci = inCi(
      `${HEAD}export const check = () => !fs.existsSync(home + '/pipe') && !fs.existsSync('.git')\nexport const migrate = () => true\n`,
    )
    await succeed('mkfifo', [join(ci.home, 'pipe')])
    mkdirSync(join(ci.checkout, '.git'))
    mkdirSync(join(ci.checkout, 'tmp'))
    const ended = await ci.verify([], { TMPDIR: join(ci.checkout, 'tmp') })
    expect(ended).toMatchObject({ code: 0, stdout: `✓ ${ID}\n` })
    expect(readTree(join(ci.checkout, 'tmp'))).toEqual({})
  })

  test('by a user who may not write to the home, or not even read it, and it is removed again', async () => {
    const ci = inCi(REPLACES)
    chmodSync(ci.folder, 0o755)
    chmodSync(ci.home, 0o555)
    mkdirSync(join(ci.folder, 'tmp'))
    chmodSync(join(ci.folder, 'tmp'), 0o1777) // as /tmp
    const args = ['verify', '--home', ci.home, '--checkout', ci.checkout]
    const env = { ...process.env, TMPDIR: join(ci.folder, 'tmp') }
    const verify = () => asNobody(ci.folder, 'telec-migrate', args, env)
    expect(await verify()).toMatchObject({ code: 0, stdout: `✓ ${ID}\n` })
    chmodSync(join(ci.home, 'config.yml'), 0o000)
    expectFailure(await verify(), 1, ['cannot copy', 'EACCES'])
    expect(readTree(join(ci.folder, 'tmp'))).toEqual({})
  })
})

describe('verify says what it cannot do, when', () => {
  test.each<[string, string[], number, string[]]>([
    ['there is no such home', ['--home', '/nonexistent/home'], 2, ['there is no folder /nonexistent/home']],
    ['there is no such checkout', ['--checkout', 'none'], 2, ['there is no folder', 'app/none']],
    ['the home is a file', ['--home', '/etc/passwd'], 2, ['there is no folder /etc/passwd']],
    [
      'there is no such migration',
      ['1.1.0/009_z.mjs'],
      2,
      ['no migration 1.1.0/009_z.mjs', `name one of these: ${ID}`],
    ],
    ['the migrations are not in the checkout', ['--migrations', '../other'], 2, ['not inside the checkout']],
  ])('%s', async (_, args, code, parts) => {
    expectFailure(await inCi(REPLACES).verify(args), code, parts)
  })

  test('it was not told which home', async () => {
    const { code, stderr } = await execute(process.execPath, [join(DIST, 'telec-migrate'), 'verify'])
    expect(code).toBe(2)
    expect(stderr).toContain("'--home <folder>' not specified")
  })

  test('a script leads nowhere', async () => {
    const ci = inCi(REPLACES)
    rmSync(join(ci.checkout, `migrations/v${ID}`))
    symlinkSync('/nonexistent', join(ci.checkout, `migrations/v${ID}`))
    const { code, stdout } = await ci.verify()
    expect(code).toBe(1)
    expect(stdout).toContain(`✗ ${ID}: migration ${ID} cannot be read\n  ENOENT`)
  })

  test('a link leads to a folder that it lies in itself', async () => {
    const ci = inCi(REPLACES)
    symlinkSync('..', join(ci.home, 'up'))
    expectFailure(await ci.verify(), 1, [join(ci.home, 'up'), 'a folder that contains it'])
  })

  test('there are no migrations', async () => {
    expect(await inCi().verify()).toMatchObject({ code: 0, stdout: 'there are no migrations\n' })
    expect((await inCi().verify(['--json'])).stdout).toBe('[]\n')
  })
})
