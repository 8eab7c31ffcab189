import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DIST, type Ended, execute, type ProcessOptions, type ProgramName, succeed } from './programs.ts'

/**
 * A computer that subscribes to a service: a bare remote, a person's clone that pushes to it, the checkout that the
 * service runs from, and a telec home; all real, in one temporary folder.
 */
export interface Computer {
  readonly folder: string
  readonly remote: string
  readonly checkout: string
  readonly home: string
  readonly env: NodeJS.ProcessEnv
  /** Runs one of the built bundles. */
  telec(program: ProgramName, args?: readonly string[], options?: ProcessOptions): Promise<Ended>
  /** Commits files in the person's clone (null removes one) and pushes; the commit's id. */
  push(files: Readonly<Record<string, string | null>>, options?: PushOptions): Promise<string>
  /** Runs git in the person's clone. */
  git(...args: string[]): Promise<string>
  /** Runs git in the checkout. */
  gitInCheckout(...args: string[]): Promise<string>
  /** A file below telec's home, parsed; null when it is not there. */
  state(name: string): Record<string, unknown> | null
  /** Replaces a file below telec's home. */
  writeState(name: string, text: string): void
  writeConfig(text: string): void
  dispose(): void
}

export interface PushOptions {
  readonly message?: string
  readonly tag?: string
}

/** Settings of the machine's own git must not decide a test. */
const GIT_ENV = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'A Person',
  GIT_AUTHOR_EMAIL: 'person@example.org',
  GIT_COMMITTER_NAME: 'A Person',
  GIT_COMMITTER_EMAIL: 'person@example.org',
}

/** The first commit: version 1.0.0 of a service. */
export const FIRST_FILES = {
  'package.json': `${JSON.stringify({ name: 'web', version: '1.0.0' }, null, 2)}\n`,
  'server.js': 'process.on("SIGTERM", () => process.exit(42)); setInterval(() => {}, 1000)\n',
}

/** Makes a computer whose checkout is at version 1.0.0. `init: false` leaves it without a configuration. */
export async function makeComputer(
  options: { init?: boolean; initArgs?: readonly string[] } = {},
): Promise<Computer> {
  const folder = mkdtempSync(join(tmpdir(), 'telec-test-'))
  const path = (name: string) => join(folder, name)
  const computer: Computer = {
    folder,
    remote: path('remote.git'),
    checkout: path('app'),
    home: path('home'),
    env: { ...process.env, TELEC_HOME: path('home'), NO_COLOR: '1' },
    telec: (program, args = [], more = {}) =>
      execute(process.execPath, [join(DIST, program), ...args], {
        cwd: folder,
        ...more,
        env: { ...computer.env, ...more.env },
      }),
    async push(files, { message = 'a change', tag } = {}) {
      for (const [name, text] of Object.entries(files)) {
        if (text === null) rmSync(join(path('work'), name))
        else {
          await mkdir(dirname(join(path('work'), name)), { recursive: true })
          writeFileSync(join(path('work'), name), text, { mode: text.startsWith('#!') ? 0o755 : 0o644 })
        }
      }
      await computer.git('add', '--all')
      await computer.git('commit', '--quiet', '--message', message)
      if (tag) await computer.git('tag', tag)
      await computer.git('push', '--quiet', 'origin', 'HEAD:main', ...(tag ? [tag] : []))
      return computer.git('rev-parse', 'HEAD')
    },
    git: (...args) => git(path('work'), args),
    gitInCheckout: (...args) => git(path('app'), args),
    state(name) {
      try {
        return JSON.parse(readFileSync(join(path('home'), name), 'utf8')) as Record<string, unknown>
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
        throw error
      }
    },
    writeState: (name, text) => writeFileSync(join(path('home'), name), text),
    writeConfig: (text) => writeFileSync(join(path('home'), 'config.yml'), text),
    dispose: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }), // a program may be on its way out
  }
  await git(folder, ['init', '--quiet', '--bare', '--initial-branch=main', 'remote.git'])
  await git(folder, ['clone', '--quiet', 'remote.git', 'work'])
  await computer.push(FIRST_FILES, { message: 'first' })
  await git(folder, ['clone', '--quiet', 'remote.git', 'app'])
  if (options.init !== false) {
    const ended = await computer.telec('telec', [
      'init',
      '--checkout',
      computer.checkout,
      ...(options.initArgs ?? []),
    ])
    if (ended.code !== 0) throw new Error(`telec init: ${ended.stderr}`)
  }
  return computer
}

function git(cwd: string, args: readonly string[]): Promise<string> {
  return succeed('git', args, { cwd, env: { ...process.env, ...GIT_ENV } })
}

/** package.json of a version, for `push`. */
export function version(number: string): Record<string, string> {
  return { 'package.json': `${JSON.stringify({ name: 'web', version: number }, null, 2)}\n` }
}

/** A migration that leaves `home/NAME` behind and says so, for `push`. */
export function markerMigration(version: string, file: string, marker = file): Record<string, string> {
  return {
    [`migrations/v${version}/${file}`]: `import { appendFileSync, existsSync } from 'node:fs'
const marker${file.endsWith('ts') ? ': string' : ''} = process.env.TELEC_HOME + '/${marker}.marker'
export function check() { return existsSync(marker) }
export function migrate() { console.log('writing ${marker}'); appendFileSync(marker, 'ran\\n'); return true }
`,
  }
}
