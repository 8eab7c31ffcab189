import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseShown } from '../../src/service/environment.ts'
import { firstWord } from '../../src/service/programs-found.ts'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { DIST, execute, succeed } from '../helpers/programs.ts'
import { halted, watchAndUpdate } from '../helpers/update.ts'

const UNITS = [
  ...new Set([
    dirname(process.execPath),
    ...'/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'.split(':'),
  ]),
].join(':')
const dump = (name: string) => `printf '%s|%s|%s' "$PATH" "$SECRET" "$SHELLS" >"$TELEC_HOME/${name}.env"`

const MIGRATIONS = {
  'migrations/v1.1.0/001_env.mjs': `import { existsSync, writeFileSync } from 'node:fs'
const { TELEC_HOME, PATH, SECRET = '', SHELLS = '' } = process.env
export const check = () => existsSync(TELEC_HOME + '/node.env')
export const migrate = () => { writeFileSync(TELEC_HOME + '/node.env', [PATH, SECRET, SHELLS].join('|')); return true }
`,
  'migrations/v1.1.0/002_env.sh': `#!/bin/sh\n[ $1 = check ] && { [ -e "$TELEC_HOME/sh.env" ]; exit; }\n${dump('sh')}\n`,
}

/** All commands write down what they find; `more` is added to `deployment`. */
async function computerWith(more: (computer: Computer) => string): Promise<Computer> {
  const computer = await freshComputer()
  computer.writeConfig(
    `deployment:\n  checkout: ${computer.checkout}\n  install: '${dump('install').replaceAll("'", "''")}'\n${more(computer)}on_status: '${dump('hook').replaceAll("'", "''")}'\n`,
  )
  await computer.push({ ...version('1.1.0'), ...MIGRATIONS })
  return computer
}

const found = (computer: Computer) =>
  Object.fromEntries(
    ['install', 'hook', 'node', 'sh'].map((name) => [
      name,
      readFileSync(join(computer.home, `${name}.env`), 'utf8'),
    ]),
  )

const SHELL = { SHELLS: 'own', PATH: `/opt/own/bin:${UNITS}` }

describe('commands and migrations', () => {
  test('find the PATH of the units, and nothing of the shell that telec is started in', async () => {
    const computer = await computerWith(() => '')
    expect((await watchAndUpdate(computer, [], SHELL)).code).toBe(42)
    const expected = `${UNITS}||`
    expect(found(computer)).toEqual({ install: expected, hook: expected, node: expected, sh: expected })
  })

  test('find what the manager gives to a unit', async () => {
    const computer = await computerWith(() => '')
    await watchAndUpdate(computer, [], { ...SHELL, TELEC_UNIT: '1' })
    expect(found(computer).install).toBe(`${SHELL.PATH}||own`)
  })

  test('find deployment.path in front, and the variables of deployment.env_file', async () => {
    const computer = await computerWith(
      ({ folder }) => `  path: [${folder}/tools, ~/bin]\n  env_file: ${folder}/web.env\n`,
    )
    writeFileSync(join(computer.folder, 'web.env'), '# for the web\n\nSECRET="a b=c"\nexport OTHER=1\n')
    expect((await watchAndUpdate(computer, [], { ...SHELL, HOME: computer.folder })).code).toBe(42)
    for (const text of Object.values(found(computer)))
      expect(
        text.startsWith(`${computer.folder}/tools:${computer.folder}/bin:`) && text.endsWith('|a b=c|'),
      ).toBe(true)
  })

  test.each(['of a unit', 'of a shell'])(
    'find nothing that telec reads a secret from, in the environment %s',
    async (where) => {
      const computer = await freshComputer()
      const tell = (name: string) => `env >>"${computer.folder}/${name}"`
      const file = join(computer.folder, 'web.env')
      writeFileSync(file, 'GITLAB_TOKEN=of-the-commands\n')
      computer.writeConfig(
        `deployment:\n  checkout: ${computer.checkout}\n  env_file: ${file}\n  install: '${tell('install')}'\n  before_migrate: '${tell('backup')}'\non_status: '${tell('hook')}'\n`,
      )
      const script = `#!/bin/sh\n${tell('migration')}; [ $1 = check ] && { [ -e done ]; exit; }\ntouch done\n`
      await computer.push({ ...version('1.1.0'), 'migrations/v1.1.0/001_env.sh': script })
      const secrets = ['GITHUB_TOKEN', 'GITLAB_TOKEN', 'GITEA_TOKEN', 'TELEC_REDIS_URL'].map((name) => [
        name,
        'of-telec',
      ])
      const env = {
        ...Object.fromEntries(secrets),
        ...(where === 'of a unit' && { TELEC_UNIT: '1', KEPT: 'of-telec' }),
      }
      expect((await watchAndUpdate(computer, [], env)).code).toBe(42)
      const verify = ['verify', '--home', computer.home, '--checkout', computer.checkout]
      expect(await computer.telec('telec-migrate', verify, { env })).toMatchObject({ code: 0 })
      for (const name of ['install', 'backup', 'hook', 'migration']) {
        const lines = readFileSync(join(computer.folder, name), 'utf8').split('\n')
        const ofTelec = new Set(lines.filter((line) => line.endsWith('=of-telec')))
        expect([...ofTelec]).toEqual(where === 'of a unit' ? ['KEPT=of-telec'] : [])
        expect(lines).toContain('GITLAB_TOKEN=of-the-commands')
      }
    },
  )

  test('run a program that is in deployment.path alone', async () => {
    const computer = await freshComputer()
    mkdirSync(join(computer.folder, 'tools'))
    writeFileSync(join(computer.folder, 'tools/uv'), '#!/bin/sh\necho synced\n', { mode: 0o755 })
    computer.writeConfig(
      `deployment:\n  checkout: ${computer.checkout}\n  install: uv sync\n  path: [${computer.folder}/tools]\n`,
    )
    await computer.push(version('1.1.0'))
    expect((await watchAndUpdate(computer)).stderr).toContain('| synced')
  })

  test.each([
    ['is missing', null, ' names a file that does not exist'],
    ['has a line that is none', 'A=1\nwhat is this\n', 'web.env, which has no NAME=VALUE in line 2'],
    ['is a pipe, for whose writer nothing waits,', undefined, 'web.env, which is no file'],
  ])('an env_file that %s stops the update before it begins', async (_, text, words) => {
    const computer = await computerWith(({ folder }) => `  env_file: ${folder}/web.env\n`)
    const file = join(computer.folder, 'web.env')
    if (text === undefined) await succeed('mkfifo', [file])
    else if (text !== null) writeFileSync(file, text)
    const head = await computer.gitInCheckout('rev-parse', 'HEAD')
    const ended = await watchAndUpdate(computer)
    expect(ended.stderr).toMatch(/^telec-update: deployment\.env_file /m)
    expect(ended.stderr).toContain(words)
    expect(halted(computer)).toMatchObject({ step: 'preflight' })
    expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(head)
  })
})

test('what systemctl show-environment prints is read as a shell would', () => {
  const text = "LANG=C.UTF-8\nODD=$'it\\'s\\n\\\\ \\001'\nEMPTY=\nA=b=c\n"
  expect(parseShown(text)).toEqual({ LANG: 'C.UTF-8', ODD: "it's\n\\ \u0001", EMPTY: '', A: 'b=c' })
})

describe('a program that only the shell of a user finds', () => {
  const HINT = (folder: string) => `add ${folder}/tools to deployment.path in config.yml`
  const SEARCHED = `searched: PATH=${UNITS}`

  /** With a program `uv` in a folder that is in the person's PATH. */
  async function computerOf(text: (checkout: string) => string, files: Record<string, string> = {}) {
    const computer = await freshComputer()
    mkdirSync(join(computer.folder, 'tools'))
    writeFileSync(join(computer.folder, 'tools/uv'), '#!/bin/sh\necho synced\n', { mode: 0o755 })
    computer.writeConfig(text(computer.checkout))
    await computer.push({ ...version('1.1.0'), ...files })
    return { computer, PATH: `${computer.folder}/tools:${process.env.PATH}` }
  }
  const withInstall = (checkout: string) => `deployment:\n  checkout: ${checkout}\n  install: uv sync\n`

  test('halts install with the PATH that was searched, and the folder to add; telec doctor says so before', async () => {
    const { computer, PATH } = await computerOf(withInstall)
    const doctor = await computer.telec('telec', ['doctor', '--json'], { env: { PATH } })
    const finding = (JSON.parse(doctor.stdout) as { check: string }[]).find(
      ({ check }) => check === 'install',
    )
    expect(finding).toEqual({
      version: 1,
      check: 'install',
      ok: false,
      message: 'uv is not found where telec runs it: uv sync',
      because: expect.stringContaining(SEARCHED),
      hint: `${HINT(computer.folder)}; then: telec install`,
    })
    await watchAndUpdate(computer, [], { PATH })
    expect(halted(computer)).toMatchObject({
      step: 'install',
      because: expect.stringContaining(SEARCHED),
      hint: `${HINT(computer.folder)}; then: telec-update --retry`,
    })
  })

  test('is named by on_status, which changes nothing', async () => {
    const { computer, PATH } = await computerOf(
      (checkout) => `deployment:\n  checkout: ${checkout}\non_status: uv\n`,
    )
    const ended = await watchAndUpdate(computer, [], { PATH })
    expect(ended.code).toBe(42)
    expect(ended.stderr).toContain(
      `${SEARCHED}; deployment.path puts folders in front of it; ${HINT(computer.folder)}`,
    )
  })

  test.each(['exec uv', '#!/usr/bin/env uv'])('halts a migration: %s', async (line) => {
    const text = line.startsWith('#!') ? `${line}\n` : `#!/bin/sh\n${line}\n`
    const { computer, PATH } = await computerOf((checkout) => `deployment:\n  checkout: ${checkout}\n`, {
      'migrations/v1.1.0/001_uv.sh': text,
    })
    await watchAndUpdate(computer, [], { PATH })
    expect(halted(computer)).toMatchObject({ step: 'migrate', because: expect.stringContaining(SEARCHED) })
  })

  test.each([
    ['uv sync', 'uv'],
    ['CI=1 npm ci', 'npm'],
    ['cd web && NODE_ENV=production pnpm install; true', 'pnpm'],
    ['/opt/tools/uv sync', '/opt/tools/uv'],
    ['./scripts/install', null],
    ['scripts/install', null],
    ['"$HOME/bin/uv" sync', null],
    ['(uv sync)', null],
  ])('of the command %s telec tries %s', (command, word) => {
    expect(firstWord(command)).toBe(word)
  })
})

test.each(['telec-watch', 'telec-update --dry-run', 'telec status', 'telec-migrate plan'])(
  '%s works in a folder that was removed',
  async (command) => {
    const { home, env } = await freshComputer()
    const script = `mkdir "$0" && cd "$0" && rmdir "$0" && exec ${DIST}/${command}`
    await succeed('/bin/sh', ['-c', script, join(home, 'removed')], { env })
  },
)

test('a log on a full disk does not end the work, and output there fails with its reason', async () => {
  const { push, telec, env } = await freshComputer()
  await push(version('1.1.0'))
  expect(await telec('telec-watch')).toMatchObject({ code: 0 })
  const writing = (stream: number, ...command: string[]) =>
    execute('/bin/sh', ['-c', `exec "$@" ${stream}>/dev/full`, 'sh', ...command], { env })
  expect(await writing(2, join(DIST, 'telec-update'))).toMatchObject({ code: 42 })
  expectFailure(await writing(1, join(DIST, 'telec'), 'status'), 75, ['ENOSPC'])
})
