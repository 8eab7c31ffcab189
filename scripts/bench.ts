// Whole processes, in turn with what they are compared with: A B A B …; the machine's speed drifts, a ratio does not.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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
    compareUpdates(),
  ]
  const sizes = readdirSync(dist).map((name) => ({ name, bytes: statSync(join(dist, name)).size }))
  console.log(
    options.includes('--json')
      ? JSON.stringify({ rounds: ROUNDS, rows, sizes }, null, 2)
      : table(rows, sizes),
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

function rounds(measure: (round: number) => [number, number]): [number, number][] {
  measure(0) // the first one warms the caches
  return Array.from({ length: ROUNDS }, (_, index) => measure(index + 1))
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

function table(rows: readonly Row[], sizes: readonly { name: string; bytes: number }[]): string {
  return [
    `medians of ${ROUNDS} rounds`,
    ...rows.map(
      ({ what, against, ms, againstMs, ratio }) =>
        `${what.padEnd(40)} ${ms.toFixed(1).padStart(7)} ms   ${ratio.toFixed(2)} × ${against} (${againstMs.toFixed(1)} ms)`,
    ),
    ...sizes.map(({ name, bytes }) => `${name.padEnd(40)} ${(bytes / 1024).toFixed(0).padStart(7)} KiB`),
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

function timed(action: () => unknown): number {
  const begin = performance.now()
  action()
  return performance.now() - begin
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
