// How long a service does not answer when an update restarts it, beside `systemctl restart` of the same service: on a computer
// with a real systemd of its own (test/systemd/box).
import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const [root = '', amount = '11'] = process.argv.slice(2)
const ROUNDS = Number(amount)
const PORT = 18_042
const UNIT = 'web.service'
/** Answers with its process' id. */
const SERVER = `require('node:http').createServer((_, response) => response.end(String(process.pid))).listen(${PORT}, '127.0.0.1')
process.on('SIGTERM', () => process.exit(42))
`

// As root telec serves a whole computer, which it refuses to do from a folder for temporary files.
const folder = mkdtempSync('/srv/telec-bench-downtime-')
const at = (name: string) => join(folder, name)
const box = join(root, 'test/systemd/box')
const name = `bench-${process.pid}`
const boxed = (...command: string[]) => ['exec', name, '--', ...command]
const inBox = (...command: string[]) =>
  execFileSync(box, boxed(...command), { stdio: ['ignore', 'ignore', 'pipe'] })
try {
  setUp()
  console.log(
    `From the last answer of the old process to the first one of the new process, ${ROUNDS} restarts each:`,
  )
  await measure('100ms, as by default')
  inBox('sed', '-i', 's/^ExecStart=/RestartSec=0\\n&/', `/etc/systemd/system/${UNIT}`)
  inBox('systemctl', 'daemon-reload')
  await measure('0')
} finally {
  execFileSync(box, ['down', name])
  rmSync(folder, { recursive: true, force: true })
}

function setUp(): void {
  chmodSync(folder, 0o755)
  cpSync(join(root, 'dist'), at('bin'), { recursive: true })
  git(folder, 'init', '--quiet', '--bare', '--initial-branch=main', 'remote.git')
  git(folder, 'clone', '--quiet', 'remote.git', 'work')
  push('0')
  git(folder, 'clone', '--quiet', 'remote.git', 'app')
  execFileSync(box, ['up', name, '--bind', folder])
  // Many restarts in a row are the measurement, not a fault.
  const unit = `[Unit]
StartLimitIntervalSec=0
[Service]
WorkingDirectory=${at('app')}
ExecStart=${process.execPath} server.js
[Install]
WantedBy=multi-user.target
`
  writeFileSync(at(UNIT), unit)
  inBox('cp', at(UNIT), `/etc/systemd/system/${UNIT}`)
  inBox('systemctl', 'enable', '--now', '--quiet', UNIT)
  inBox(at('bin/telec'), 'init', '--system', '--checkout', at('app'), '--service', UNIT)
  inBox('sed', '-i', 's/# healthy_after: 5s/healthy_after: 100ms/', '/etc/telec/config.yml')
  inBox(at('bin/telec'), 'install')
  inBox('systemctl', 'stop', 'telec-watch.timer', 'telec-update.path', 'telec-update.timer') // each round starts its own
}

async function measure(restartSec: string): Promise<void> {
  const byUpdate: number[] = []
  const bySystemctl: number[] = []
  for (let round = 1; round <= ROUNDS; round += 1) {
    push(String(process.hrtime.bigint()))
    inBox(at('bin/telec-watch'))
    byUpdate.push(await downtime(at('bin/telec-update')))
    bySystemctl.push(await downtime('systemctl', 'restart', UNIT))
  }
  const ratio = median(byUpdate.map((ms, round) => ms / (bySystemctl[round] ?? Number.NaN)))
  console.log(`RestartSec=${restartSec}
  an update (restart: exit-42)        ${figures(byUpdate)}   ${ratio.toFixed(2)} × systemctl restart
  systemctl restart                   ${figures(bySystemctl)}`)
}

/** Asks without a pause while the command runs in the box, until a new process answers. */
async function downtime(...command: string[]): Promise<number> {
  let old = await answer()
  while (old === null) old = await answer()
  const ended = promisify(execFile)(box, boxed(...command))
  let lastMs = performance.now()
  for (;;) {
    const now = await answer()
    if (now === old) lastMs = performance.now()
    else if (now !== null) {
      const ms = performance.now() - lastMs
      await ended
      return ms
    }
  }
}

function answer(): Promise<string | null> {
  const ask = fetch(`http://127.0.0.1:${PORT}/`, { headers: { connection: 'close' } })
  return ask.then((response) => response.text()).catch(() => null)
}

function push(round: string): void {
  writeFileSync(at('work/package.json'), `${JSON.stringify({ name: 'web', version: `1.0.${round}` })}\n`)
  writeFileSync(at('work/server.js'), SERVER)
  git(at('work'), 'add', '--all')
  git(
    at('work'),
    '-c',
    'user.name=Ada',
    '-c',
    'user.email=ada@example.org',
    'commit',
    '--quiet',
    '-m',
    `round ${round}`,
  )
  git(at('work'), 'push', '--quiet', 'origin', 'HEAD:main')
}

function git(cwd: string, ...args: string[]): void {
  execFileSync('git', args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
}

function figures(times: readonly number[]): string {
  const [least, most] = [Math.min(...times), Math.max(...times)]
  return `${median(times).toFixed(0).padStart(8)} ms (${least.toFixed(0)} to ${most.toFixed(0)})`
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
