// Whole processes, in turn with what they are compared with: A B A B …; the machine's speed drifts, a ratio does not.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeMigrations } from './lib/migrations.ts'
import { peakKib } from './lib/peak.ts'
import { makeTags } from './lib/tags.ts'

const ROUNDS = 21

interface Row {
  readonly what: string
  readonly against: string
  readonly ms: number
  readonly againstMs: number
  /** The median of the ratios of each round. */
  readonly ratio: number
}

const [root = '', ...options] = process.argv.slice(2)
const dist = join(root, 'dist')
const folder = mkdtempSync(join(tmpdir(), 'telec-bench-'))
const env = { ...process.env, TELEC_HOME: join(folder, 'home') }
const remote = join(folder, 'remote.git')
const checkout = join(folder, 'app')
try {
  setUp()
  const rows = [
    compare('telec-watch --version', [bundle('telec-watch'), '--version'], 'node -e 0', ['-e', '0']),
    compare('a poll that finds nothing', [bundle('telec-watch')], 'node -e 0, git ls-remote', pollFloor()),
    ...compareTags(),
    compareUpdates(),
    ...compareMigrations(),
  ]
  run([bundle('telec-watch')]) // sees the updates, so that the next one finds nothing
  const pollKib = peakKib([bundle('telec-watch')], env)
  const growth = measureGrowth()
  const sizes = readdirSync(dist).map((name) => ({ name, bytes: statSync(join(dist, name)).size }))
  console.log(
    options.includes('--json')
      ? JSON.stringify({ rounds: ROUNDS, rows, pollKib, growth, sizes }, null, 2)
      : table(rows, pollKib, growth, sizes),
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function setUp(): void {
  git(folder, 'init', '--quiet', '--bare', '--initial-branch=main', 'remote.git')
  git(folder, 'clone', '--quiet', 'remote.git', 'work')
  push(0)
  git(folder, 'clone', '--quiet', 'remote.git', 'app')
  mkdirSync(join(folder, 'home'))
  run([bundle('telec'), 'init', '--checkout', checkout, '--install', 'true'])
  git(folder, 'clone', '--quiet', 'remote.git', 'by-hand')
}

/** Polls of a remote with 10,000 release tags, against one with a single one. */
function compareTags(): Row[] {
  return (['alpha', 'beta'] as const).map((channel) => {
    const many = makeTags(root, channel, 10_000)
    const one = makeTags(root, channel, 1)
    try {
      const times = rounds(() => [timed(many.poll), timed(one.poll)])
      return row(`a poll on ${channel}, of 10,000 tags`, 'of a single one', times)
    } finally {
      many.dispose()
      one.dispose()
    }
  })
}

/** An update as telec does it, and the same git commands and the same install in a shell. */
function compareUpdates(): Row {
  const byHand = join(folder, 'by-hand')
  const script = `cd ${byHand} && git fetch --quiet --no-tags origin main && git merge-base --is-ancestor HEAD FETCH_HEAD &&
    git status --porcelain && git merge --quiet --ff-only FETCH_HEAD && sync -f . && sh -c true`
  const times = rounds((round) => {
    push(round)
    run([bundle('telec-watch')])
    return [
      timed(() => run([bundle('telec-update')], 42)),
      timed(() => execFileSync('sh', ['-c', script], { env })),
    ]
  })
  return row('an update, install: true, no service', 'the same by git in a shell', times)
}

/** Runs of many scripts, against umzug with its JSON storage (which does not sync) on scripts that do the same. */
function compareMigrations(): Row[] {
  const thousand = makeMigrations(root, 1_000)
  const many = makeMigrations(root, 5_000)
  try {
    const few = 7
    const against = 'umzug on the same'
    return [
      // First, since none is applied yet.
      row(
        'telec-migrate --dry-run of 5,000',
        'node -e 0',
        rounds(() => [timed(many.dryRun), timed(emptyNode)], 9),
      ),
      row(
        '1,000 migrations',
        against,
        rounds(
          () => [timedFrom(thousand.reset, thousand.run), timedFrom(thousand.reset, thousand.runUmzug)],
          few,
        ),
      ),
      row(
        '5,000 migrations',
        '1,000 migrations',
        rounds(() => [timedFrom(many.reset, many.run), timedFrom(thousand.reset, thousand.run)], few),
      ),
    ]
  } finally {
    thousand.dispose()
    many.dispose()
  }
}

interface Growth {
  readonly amount: number
  readonly ms: number
  /** The larger of telec-migrate and the process that runs the migrations. */
  readonly peakKib: number
}

/** How a run's time and memory grow with the number of migrations. */
function measureGrowth(): Growth[] {
  return [100, 1_000, 5_000, 10_000].map((amount) => {
    const migrations = makeMigrations(root, amount)
    try {
      const ms = timedFrom(migrations.reset, migrations.run)
      migrations.reset()
      return { amount, ms, peakKib: migrations.peakKib() }
    } finally {
      migrations.dispose()
    }
  })
}

function emptyNode(): void {
  run(['-e', '0'])
}

function compare(
  what: string,
  args: readonly string[],
  against: string,
  floor: readonly string[] | string,
): Row {
  const measureFloor =
    typeof floor === 'string' ? () => execFileSync('sh', ['-c', floor], { env }) : () => run(floor)
  return row(
    what,
    against,
    rounds(() => [timed(() => run(args)), timed(measureFloor)]),
  )
}

function pollFloor(): string {
  return `${process.execPath} -e 0 && git ls-remote --heads ${remote} refs/heads/main >/dev/null`
}

function rounds(measure: (round: number) => [number, number], amount = ROUNDS): [number, number][] {
  measure(0) // the first one warms the caches
  return Array.from({ length: amount }, (_, index) => measure(index + 1))
}

function row(what: string, against: string, times: readonly [number, number][]): Row {
  return {
    what,
    against,
    ms: median(times.map(([ms]) => ms)),
    againstMs: median(times.map(([, ms]) => ms)),
    ratio: median(times.map(([ms, floor]) => ms / floor)),
  }
}

function table(
  rows: readonly Row[],
  pollKib: number,
  growth: readonly Growth[],
  sizes: readonly { name: string; bytes: number }[],
): string {
  return [
    'medians',
    ...rows.map(
      ({ what, against, ms, againstMs, ratio }) =>
        `${what.padEnd(40)} ${ms.toFixed(1).padStart(8)} ms   ${ratio.toFixed(2)} × ${against} (${againstMs.toFixed(1)} ms)`,
    ),
    `${'a poll that finds nothing'.padEnd(40)} ${(pollKib / 1024).toFixed(0).padStart(8)} MiB at its largest`,
    ...growth.map(
      ({ amount, ms, peakKib }) =>
        `a run of ${String(amount).padEnd(31)} ${ms.toFixed(0).padStart(8)} ms   ${(ms / amount).toFixed(2)} ms each, ${(peakKib / 1024).toFixed(0)} MiB at its largest`,
    ),
    ...sizes.map(({ name, bytes }) => `${name.padEnd(40)} ${(bytes / 1024).toFixed(0).padStart(8)} KiB`),
  ].join('\n')
}

function run(args: readonly string[], expected = 0): void {
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  if (status !== expected) throw new Error(`${args.join(' ')}: exit code ${status}\n${stderr}`)
}

function push(round: number): void {
  const work = join(folder, 'work')
  writeFileSync(join(work, 'package.json'), `${JSON.stringify({ name: 'web', version: `1.0.${round}` })}\n`)
  writeFileSync(join(work, 'round.txt'), `${round} ${process.hrtime.bigint()}\n`)
  git(work, 'add', '--all')
  git(
    work,
    '-c',
    'user.name=A Person',
    '-c',
    'user.email=person@example.org',
    'commit',
    '--quiet',
    '-m',
    'a change',
  )
  git(work, 'push', '--quiet', 'origin', 'HEAD:main')
}

function git(cwd: string, ...args: string[]): void {
  execFileSync('git', args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
}

function bundle(name: string): string {
  return join(dist, name)
}

/** What `prepare` takes does not count. */
function timedFrom(prepare: () => void, action: () => unknown): number {
  prepare()
  return timed(action)
}

function timed(action: () => unknown): number {
  const begin = performance.now()
  action()
  return performance.now() - begin
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
