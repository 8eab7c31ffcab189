// Whole processes, alternating with the baseline: A B A B …; the machine's speed drifts, a ratio does not.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeMigrations } from './lib/migrations.ts'
import { makeTags } from './lib/tags.ts'
import { makeUpdates } from './lib/updates.ts'
import { usageOf } from './lib/usage.ts'

const ROUNDS = 21

/** The bounds; ratios unless a unit is given. */
const LIMITS = {
  quiet: 0.45,
  quietAgainstCron: 1,
  poll: 1.8,
  updateCpuMs: 190,
  syncs: 20,
  gits: 8,
  perMigration: 1.6,
  twentyMs: 3_000,
  memory: 160,
} as const
/** A poll a minute, as deployment.poll_every is by default. */
const POLLS_A_DAY = 24 * 60

interface Row {
  readonly what: string
  readonly against: string
  /** Of the clock, or of the CPU in what a command starts, too. */
  readonly ms: number
  readonly againstMs: number
  /** The median of the ratios of each round. */
  readonly ratio: number
  readonly limit: number | null
}

const [root = '', ...options] = process.argv.slice(2)
const dist = join(root, 'dist')
const PROGRAMS = ['telec', 'telec-watch', 'telec-update', 'telec-migrate']
const folder = mkdtempSync(join(tmpdir(), 'telec-bench-'))
const env = { ...process.env, TELEC_HOME: join(folder, 'home'), TELEC_NODE: process.execPath }
const remote = join(folder, 'remote.git')
const checkout = join(folder, 'app')
try {
  setUp()
  const rows = [
    compare('telec-watch --version', [bundle('telec-watch'), '--version'], 'node -e 0', ['-e', '0']),
    ...comparePolls(),
    ...compareTags(),
    compare('telec-update with nothing to do', [bundle('telec-update')], 'node -e 0', ['-e', '0']),
    ...compareUpdates('an update', { files: 1, tags: 0 }, ROUNDS),
    ...compareUpdates('of 10,000 files and 5,000 tags', { files: 10_000, tags: 5_000 }, 11),
    ...compareMigrations(),
  ]
  const growth = measureGrowth()
  const figures = [...measureFigures(rows), ...figuresOf(growth)]
  const json = JSON.stringify({ rounds: ROUNDS, limits: LIMITS, rows, figures, growth }, null, 2)
  const [option, file] = options
  if (option === '--json' && !file) console.log(json)
  else console.log(table(rows, figures, growth))
  if (option === '--json' && file) writeFileSync(file, `${json}\n`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function setUp(): void {
  git(folder, 'init', '--quiet', '--bare', '--initial-branch=main', 'remote.git')
  git(folder, 'clone', '--quiet', 'remote.git', 'work')
  const work = join(folder, 'work')
  writeFileSync(join(work, 'package.json'), `${JSON.stringify({ name: 'web', version: '1.0.0' })}\n`)
  git(work, 'add', '--all')
  const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org']
  git(work, ...identity, 'commit', '--quiet', '-m', 'a start')
  git(work, 'push', '--quiet', 'origin', 'HEAD:main')
  git(folder, 'clone', '--quiet', 'remote.git', 'app')
  mkdirSync(join(folder, 'home'))
  run([bundle('telec'), 'init', '--checkout', checkout, '--install', 'true'])
}

/** Polls that find nothing, in CPU time: by the shell alone, and whole ones. */
function comparePolls(): Row[] {
  const floor = ['sh', '-c', `${process.execPath} -e 0 && git ls-remote --heads ${remote} refs/heads/main`]
  const cron = 'git fetch --quiet && [ "$(git rev-parse HEAD)" = "$(git rev-parse origin/main)" ]'
  const quiet = [bundle('telec-watch')]
  const whole = [process.execPath, bundle('telec-watch')]
  const cpu = (
    what: string,
    command: readonly string[],
    against: string,
    other: readonly string[],
    limit: number,
  ) => {
    const measure = (one: readonly string[]) => usageOf(one, env, { times: 5 }).cpuMs
    return row(
      `${what}, CPU`,
      against,
      rounds(() => [measure(command), measure(other)], 9),
      limit,
    )
  }
  run([bundle('telec-watch')]) // it leaves what the quiet ones need
  return [
    cpu('a quiet poll', quiet, 'node -e 0, git ls-remote', floor, LIMITS.quiet),
    cpu(
      'the same',
      quiet,
      'cron: git fetch, compare',
      ['sh', '-c', `cd ${checkout} && ${cron}`],
      LIMITS.quietAgainstCron,
    ),
    cpu('a whole poll', whole, 'node -e 0, git ls-remote', floor, LIMITS.poll),
  ]
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

/** An update as telec-update does it, without a service to restart; against the least that one could be. */
function compareUpdates(what: string, size: { files: number; tags: number }, amount: number): Row[] {
  const updates = makeUpdates(dist, size)
  const round = () => {
    updates.push()
    return [updates.update(), updates.script()] as const
  }
  try {
    round() // the first one warms the caches
    const all = Array.from({ length: amount }, round)
    const against = 'git fetch, merge --ff-only, sync, true'
    const of = (figure: 'cpuMs' | 'wallMs') =>
      all.map(([ours, theirs]): [number, number] => [ours[figure], theirs[figure]])
    return [row(`${what}, CPU`, against, of('cpuMs')), row(`${what}, wall`, against, of('wallMs'))]
  } finally {
    updates.dispose()
  }
}

interface Figure {
  readonly what: string
  readonly value: number
  readonly unit: string
  readonly limit?: number
}

/** Bounds with a unit. */
function measureFigures(rows: readonly Row[]): Figure[] {
  const updates = makeUpdates(dist, { files: 1, tags: 0 })
  try {
    updates.push()
    const { gits, syncs } = updates.count()
    const update = 'an update where nothing migrates'
    const cpuMs = rows.find(({ what }) => what === 'an update, CPU')?.ms ?? Number.NaN
    const quietMs = usageOf([bundle('telec-watch')], env, { times: ROUNDS }).cpuMs
    const poll = usageOf([process.execPath, bundle('telec-watch')], env)
    return [
      { what: update, value: cpuMs, unit: 'ms of CPU in all', limit: LIMITS.updateCpuMs },
      { what: update, value: gits, unit: 'gits started', limit: LIMITS.gits },
      { what: update, value: syncs, unit: "syncs, git's included", limit: LIMITS.syncs },
      { what: 'a whole poll', value: poll.peakKib / 1024, unit: 'MiB at its largest' },
      {
        what: 'a day of quiet polls, one a minute',
        value: (quietMs * POLLS_A_DAY) / 1000,
        unit: 's of CPU, git included; nothing stays between them',
      },
      ...PROGRAMS.map((name) => ({ what: name, value: statSync(bundle(name)).size / 1000, unit: 'KB' })),
    ]
  } finally {
    updates.dispose()
  }
}

/** Runs of many scripts, each in a process of its own; what others do in one process isolates nothing. */
function compareMigrations(): Row[] {
  const twenty = makeMigrations(root, 20)
  const many = makeMigrations(root, 5_000)
  try {
    const few = 7
    return [
      row(
        'telec-migrate --dry-run of 5,000',
        'node -e 0',
        rounds(() => [timed(many.dryRun), timed(emptyNode)], 9),
      ),
      row(
        '20 migrations',
        '20 times node -e 0',
        // Without what telec-migrate takes to start and to plan.
        rounds(() => [timedFrom(twenty.reset, twenty.run) - timed(twenty.dryRun), timed(twentyNodes)], few),
        LIMITS.perMigration,
      ),
      ...(
        [
          ['umzug', twenty.runUmzug],
          ["npm's migrate", twenty.runMigrate],
          ['a loop in Python', twenty.runPython],
        ] as const
      ).map(([name, other]) =>
        row(
          '20 migrations',
          `${name} on the same, all in one process: it isolates nothing`,
          rounds(() => [timedFrom(twenty.reset, twenty.run), timedFrom(twenty.reset, other)], few),
        ),
      ),
    ]
  } finally {
    twenty.dispose()
    many.dispose()
  }
}

function twentyNodes(): void {
  for (let count = 0; count < 20; count += 1) emptyNode()
}

interface Growth {
  readonly amount: number
  readonly ms: number
  /** The largest of telec-migrate and the processes that run the migrations. */
  readonly peakKib: number
}

/** How a run's time and memory grow with the number of migrations. */
function measureGrowth(): Growth[] {
  return [20, 100, 500].map((amount) => {
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

function figuresOf(growth: readonly Growth[]): Figure[] {
  const [few, many] = [growth[0], growth.at(-1)]
  if (!few || !many) return []
  const percent = (100 * many.peakKib) / few.peakKib
  return [
    { what: `a run of ${few.amount}`, value: few.ms, unit: 'ms', limit: LIMITS.twentyMs },
    {
      what: `a run of ${many.amount}`,
      value: percent,
      unit: `% of the memory of one of ${few.amount}`,
      limit: LIMITS.memory,
    },
  ]
}

function emptyNode(): void {
  run(['-e', '0'])
}

function compare(what: string, args: readonly string[], against: string, floor: readonly string[]): Row {
  return row(
    what,
    against,
    rounds(() => [timed(() => run(args)), timed(() => run(floor))]),
  )
}

function rounds(measure: () => [number, number], amount = ROUNDS): [number, number][] {
  measure() // the first one warms the caches
  return Array.from({ length: amount }, measure)
}

function row(
  what: string,
  against: string,
  times: readonly [number, number][],
  limit: number | null = null,
): Row {
  return {
    what,
    against,
    ms: median(times.map(([ms]) => ms)),
    againstMs: median(times.map(([, ms]) => ms)),
    ratio: median(times.map(([ms, floor]) => ms / floor)),
    limit,
  }
}

function table(rows: readonly Row[], figures: readonly Figure[], growth: readonly Growth[]): string {
  return [
    'medians',
    ...rows.map(
      ({ what, against, ms, againstMs, ratio, limit }) =>
        `${what.padEnd(40)} ${ms.toFixed(1).padStart(8)} ms   ${ratio.toFixed(2)} × ${against} (${againstMs.toFixed(1)} ms)${limited(ratio, limit)}`,
    ),
    ...figures.map(
      ({ what, value, unit, limit }) =>
        `${what.padEnd(40)} ${value.toFixed(0).padStart(8)} ${unit}${limited(value, limit ?? null)}`,
    ),
    ...growth.map(
      ({ amount, ms, peakKib }) =>
        `a run of ${String(amount).padEnd(31)} ${ms.toFixed(0).padStart(8)} ms   ${(ms / amount).toFixed(2)} ms each, ${(peakKib / 1024).toFixed(0)} MiB at its largest`,
    ),
  ].join('\n')
}

function limited(found: number, limit: number | null): string {
  if (limit === null) return ''
  return found <= limit ? `, at most ${limit} as asked` : `, MORE THAN ASKED: ${limit}`
}

function run(args: readonly string[], expected = 0): void {
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  if (status !== expected) throw new Error(`${args.join(' ')}: exit code ${status}\n${stderr}`)
}

function git(cwd: string, ...args: string[]): void {
  execFileSync('git', args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
}

function bundle(name: string): string {
  return join(dist, name)
}

/** The time of `prepare` is not counted. */
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
