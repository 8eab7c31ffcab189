// The story that scripts/demo tells: set up, push, see it run; push a failing migration, see it halt.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type DemoFolders, findStage, type Stage } from './lib/stages.ts'

const STEP_TIMEOUT_MS = 90_000

const SERVER = `const { version } = require('./package.json')
console.log(\`web \${version} runs, pid \${process.pid}\`)
process.on('SIGTERM', () => process.exit(42)) // 42: the code on disk is newer, start me again
setInterval(() => {}, 60_000)
`

const GOOD_MIGRATION = `import { existsSync, writeFileSync } from 'node:fs'

const settings = \`\${process.env.TELEC_CHECKOUT}/settings.json\`

export function check(): boolean {
  return existsSync(settings)
}

export function migrate(): boolean {
  writeFileSync(settings, '{}')
  return true
}
`

const BAD_MIGRATION = `export function check() {
  return false
}

export function migrate() {
  throw new Error('the old settings cannot be converted')
}
`

/** How telec's and the service's log lines tell the story. The first group is shown. */
const EVENTS: readonly [string, RegExp][] = [
  ['detected', /^new version: (.*)/],
  ['fetched', /^fetch: (?!begins)(.*)/],
  ['migrated', /^migrate: (\d\S+ (?!begins).*)/],
  ['installed', /^install: (?!begins)(.*)/],
  ['service', /^(web .*)/],
  ['restarted', /^restart: (?!begins)(.*)/],
  ['confirmed', /^confirm: (?!begins)(.*)/],
  ['updated', /^updated: (.*)/],
  ['halted', /^telec(?:-update)?: (migration .*)/],
]

interface Happening {
  readonly name: string
  readonly text: string
}

const [root = '', ...options] = process.argv.slice(2)
const embedded = options.includes('--embedded')
// As root telec serves a whole computer, which it refuses to do from a folder for temporary files.
const isRoot = process.platform === 'linux' && process.getuid?.() === 0
const folder = mkdtempSync(isRoot ? '/srv/telec-demo-' : '/var/tmp/telec-demo-')
chmodSync(folder, 0o755) // its programs are run by telec's own user, too
const folders: DemoFolders = { root, folder, bin: join(folder, 'bin'), checkout: join(folder, 'app') }
let stage: Stage | null = null
let zero = Date.now()
const happened: Happening[] = []
let onHappening = () => {}

process.once('SIGINT', () => leave(130))
process.once('SIGTERM', () => leave(143))
process.stdout.once('error', () => leave(141)) // as SIGPIPE ends a program whose reader has exited (`| head`)
try {
  await tell()
  leave(0)
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : error}`)
  leave(1)
}

async function tell(): Promise<void> {
  const work = join(folder, 'work')
  git(folder, 'init', '--quiet', '--bare', '--initial-branch=main', 'remote.git')
  git(folder, 'clone', '--quiet', 'remote.git', 'work')
  push(work, 'first version', { 'package.json': packageJson('1.0.0'), 'server.js': SERVER })
  git(folder, 'clone', '--quiet', 'remote.git', 'app')

  stage = findStage(folders, embedded)
  console.log(`A bare git remote, a service from it, and telec, on ${stage.what}.\n`)
  const telec = join(folders.bin, 'telec')
  stage.run(
    telec,
    'init',
    '--checkout',
    folders.checkout,
    '--install',
    'test -f settings.json',
    ...stage.initArguments,
  )
  const config = stage.initArguments.includes('--system')
    ? '/etc/telec/config.yml'
    : join(folder, 'home/config.yml')
  stage.run('sed', '-i', 's/# poll_every: 60s/poll_every: 5s   /', config)
  stage.start(hear)
  await until('service')

  console.log('\nA push with a migration:')
  begin(
    push(work, 'settings move to a file', {
      'package.json': packageJson('1.1.0'),
      'migrations/v1.1.0/001_settings_file.ts': GOOD_MIGRATION,
    }),
  )
  await until('updated')
  const [, pid] = /new pid (\d+)/.exec(text('restarted')) ?? []
  verify(/exited .exit code 42./.test(text('restarted')), 'the old process exited with 42')
  verify(
    happened.some(({ text }) => text === `web 1.1.0 runs, pid ${pid}`),
    'the new process runs 1.1.0',
  )

  console.log('\nA push whose migration fails:')
  begin(
    push(work, 'settings in a new format', {
      'package.json': packageJson('1.2.0'),
      'migrations/v1.2.0/001_convert_settings.js': BAD_MIGRATION,
    }),
  )
  await until('halted')
  stage.run('sh', '-c', `kill -0 ${pid}`)
  console.log(`\nThe update halted; the service (pid ${pid}) still runs 1.1.0. telec status says:\n`)
  const status = stage.run(telec, 'status')
  console.log(status.trimEnd().replace(/^/gm, '  '))
  verify(/halted +at migrate/.test(status) && status.includes(`pid ${pid}`), 'the halt is in the status')
}

function begin(commit: string): void {
  happened.length = 0
  zero = Date.now()
  show({ name: 'pushed', text: commit })
}

/** One line of a log: shown if it is part of the story. */
function hear(line: string): void {
  for (const [name, pattern] of EVENTS) {
    const [, text] = pattern.exec(line) ?? []
    if (text === undefined) continue
    const happening = { name, text }
    happened.push(happening)
    show(happening)
    onHappening()
  }
}

function show({ name, text }: Happening): void {
  console.log(`  ${((Date.now() - zero) / 1000).toFixed(2).padStart(6)} s  ${name.padEnd(10)} ${text}`)
}

function until(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`nothing was ${name} within 90 s`)), STEP_TIMEOUT_MS)
    onHappening = () => {
      if (!happened.some((one) => one.name === name)) return
      clearTimeout(timer)
      resolve()
    }
    onHappening()
  })
}

function text(name: string): string {
  return happened.findLast((one) => one.name === name)?.text ?? ''
}

function verify(holds: boolean, what: string): void {
  if (!holds) throw new Error(`not so: ${what}`)
}

function push(work: string, message: string, files: Record<string, string>): string {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(work, name)), { recursive: true })
    writeFileSync(join(work, name), content)
  }
  git(work, 'add', '--all')
  git(work, 'commit', '--quiet', '--message', message)
  git(work, 'push', '--quiet', 'origin', 'HEAD:main')
  return git(work, 'log', '-1', '--format=%h "%s"').trim()
}

function git(cwd: string, ...args: string[]): string {
  const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org']
  return execFileSync('git', [...identity, ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

function packageJson(version: string): string {
  return `${JSON.stringify({ name: 'web', version }, null, 2)}\n`
}

function leave(code: number): never {
  stage?.close()
  rmSync(folder, { recursive: true, force: true })
  process.exit(code)
}
