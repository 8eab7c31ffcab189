import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { afterAll } from 'vitest'
import { DIST, type Ended, execute, type ProcessOptions, type ProgramName, succeed } from './programs.ts'

/**
 * A computer that subscribes to a service: a bare remote, a user's clone that pushes to it, the checkout that the
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
  /** A file below telec's home, parsed; null when it is missing. */
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

export interface ComputerOptions {
  /** Without a configuration, that is without `telec init`, where false. */
  readonly init?: boolean
  readonly initArgs?: readonly string[]
}

/** A computer that is only copied, and which of its files hold the path of its folder. */
interface Template {
  readonly folder: string
  readonly withPaths: readonly string[]
}

/** Those of this worker, by their options. */
const templates = new Map<string, Promise<Template>>()

afterAll(async () => {
  for (const one of await Promise.allSettled(templates.values()))
    if (one.status === 'fulfilled') rmSync(one.value.folder, { recursive: true })
  templates.clear()
})

/** Makes a computer whose checkout is at version 1.0.0. */
export async function makeComputer({ init = true, initArgs = [] }: ComputerOptions = {}): Promise<Computer> {
  if (!init) return copy(await template('bare', makeBare))
  return copy(
    await template(JSON.stringify(initArgs), async () => {
      const computer = await copy(await template('bare', makeBare))
      const ended = await computer.telec('telec', ['init', '--checkout', computer.checkout, ...initArgs])
      if (ended.code !== 0) throw new Error(`telec init: ${ended.stderr}`)
      return computer
    }),
  )
}

function template(name: string, make: () => Promise<Computer>): Promise<Template> {
  const made = templates.get(name) ?? make().then(asTemplate)
  templates.set(name, made)
  return made
}

function asTemplate({ folder }: Computer): Template {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
  const paths = files.map((one) => join(one.parentPath, one.name))
  for (const path of paths.filter((one) => one.endsWith('.sample'))) rmSync(path) // git's hooks, which none runs
  const withPaths = paths.filter((path) => !path.endsWith('.sample') && readFileSync(path).includes(folder))
  return { folder, withPaths: withPaths.map((path) => relative(folder, path)) }
}

async function makeBare(): Promise<Computer> {
  const computer = computerIn(newFolder())
  await git(computer.folder, ['init', '--quiet', '--bare', '--initial-branch=main', 'remote.git'])
  await git(computer.folder, ['clone', '--quiet', 'remote.git', 'work'])
  await computer.push(FIRST_FILES, { message: 'first' })
  await git(computer.folder, ['clone', '--quiet', 'remote.git', 'app'])
  return computer
}

async function copy({ folder, withPaths }: Template): Promise<Computer> {
  const computer = computerIn(newFolder())
  cpSync(folder, computer.folder, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
  for (const name of withPaths) {
    const path = join(computer.folder, name)
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(folder, computer.folder))
  }
  // The files of a copy have other numbers than those which git noted.
  await computer.gitInCheckout('update-index', '--refresh')
  return computer
}

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'telec-test-'))
}

function computerIn(folder: string): Computer {
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
