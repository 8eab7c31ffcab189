import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { DIST, type Ended, execute, succeed } from '../helpers/programs.ts'
import { until } from '../helpers/until.ts'
import { Launchd, nodeOptions } from './double.ts'

const LABEL = 'org.example.web'
const SERVER = `const { appendFileSync } = require('node:fs')
const { version } = require('./package.json')
const say = (what) => appendFileSync(__dirname + '/../events', what + ' ' + process.argv[2] + ' ' + version + '\\n')
appendFileSync(__dirname + '/../versions', version + '\\n')
say('start')
process.on('SIGTERM', () => { say('term'); process.exit(42) })
setInterval(() => {}, 1000)
`

interface Mac {
  readonly computer: Computer
  readonly launchd: Launchd
  telec(...args: string[]): Promise<Ended>
  state(): { deployed: { commit: string; version: string }; halted: { attempts: number } | null }
  deployed(commit: string): Promise<unknown>
  agents(): string[]
}

/** A computer whose service runs under the launchd double, with telec configured and not yet installed. */
async function mac(labels: readonly string[] = [LABEL]): Promise<Mac> {
  const computer = await freshComputer({ init: false })
  const launchd = await Launchd.start(join(computer.folder, 'bin'), process.getuid?.() ?? 0)
  onTestFinished(() => launchd.stop())
  const agentsFolder = join(computer.folder, 'Library/LaunchAgents')
  mkdirSync(agentsFolder, { recursive: true })
  const env = {
    HOME: computer.folder,
    TELEC_HOME: computer.home,
    PATH: `${launchd.bin}:/usr/bin:/bin`,
    NODE_OPTIONS: nodeOptions(),
    NO_COLOR: '1',
  }
  const run = (command: string, ...args: string[]) => execute(command, args, { env, cwd: computer.folder })
  const telec = (...args: string[]) => run(join(launchd.bin, 'node'), join(DIST, 'telec'), ...args)
  await computer.push({ ...version('1.0.0'), 'server.js': SERVER })
  await computer.gitInCheckout('pull', '--quiet')
  for (const label of labels) {
    const plist = join(agentsFolder, `${label}.plist`)
    writeFileSync(
      plist,
      `<?xml version="1.0"?><plist version="1.0"><dict>
<key>Label</key><string>${label}</string>
<key>ProgramArguments</key><array><string>${launchd.bin}/node</string><string>server.js</string><string>${label}</string></array>
<key>WorkingDirectory</key><string>${computer.checkout}</string>
<key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
</dict></plist>`,
    )
    expect(await run('launchctl', 'bootstrap', launchd.domain, plist)).toMatchObject({ code: 0, stderr: '' })
  }
  expect((await telec('init', '--checkout', computer.checkout, '--service', ...labels)).code).toBe(0)
  const config = join(computer.home, 'config.yml')
  writeFileSync(config, readFileSync(config, 'utf8').replace('# healthy_after: 5s', 'healthy_after: 100ms'))
  const state = () => computer.state('update_state.json') as unknown as ReturnType<Mac['state']>
  return {
    computer,
    launchd,
    telec,
    state,
    deployed: (commit) => until(`${commit} to be deployed`, async () => state().deployed.commit === commit),
    agents: () => readdirSync(agentsFolder).toSorted(),
  }
}

test('install, a push, the service restarted, uninstall', async () => {
  const { computer, launchd, telec, deployed, agents, state } = await mac()
  const installed = await telec('install')
  expect(installed, installed.stderr).toMatchObject({ code: 0 })
  expect(launchd.labels()).toEqual([LABEL, 'telec-update', 'telec-watch'])
  await until('the first poll', async () => computer.state('watch_state.json') !== null)
  const [pid, runs] = [launchd.pid(LABEL), launchd.runs(LABEL)]

  const commit = await computer.push(version('1.1.0'))
  launchd.tick()
  await deployed(commit)
  expect(launchd.pid(LABEL)).not.toBe(pid)
  expect(launchd.runs(LABEL)).toBe(runs + 1)
  expect(readFileSync(join(computer.folder, 'versions'), 'utf8')).toBe('1.0.0\n1.1.0\n')
  const log = readFileSync(join(computer.home, 'telec-update.log'), 'utf8')
  expect(log).toMatch(new RegExp(`restart: old pid ${pid} left.*, new pid ${launchd.pid(LABEL)}`))
  expect(state().halted).toBeNull()
  expect((await telec('status')).stdout).toMatch(
    new RegExp(`service +${LABEL} is running, pid ${launchd.pid(LABEL)} \\(launchd\\)`),
  )
  expect((await telec('logs')).stdout).toContain('updated: 1.1.0 is deployed')

  expect((await telec('install')).stdout).toBe('telec is installed, and up to date: telec status\n')
  const watches = launchd.runs('telec-watch')
  expect(watches).toBe(launchd.runs('telec-watch')) // nothing was booted out
  expect((await telec('uninstall')).code).toBe(0)
  expect(launchd.labels()).toEqual([LABEL])
  expect(agents()).toEqual([`${LABEL}.plist`])
  expect(launchd.pid(LABEL)).not.toBeNull()
})

test('several labels are restarted in their order, and one that does not start again is named', async () => {
  const worker = 'org.example.worker'
  const { computer, launchd, telec, state } = await mac([LABEL, worker])
  const events = () => readFileSync(join(computer.folder, 'events'), 'utf8').trim().split('\n')
  await until('both to run', async () => events().length === 2)
  writeFileSync(join(computer.folder, 'events'), '')
  const commit = await computer.push(version('1.1.0'))
  await telec('watch')
  const updated = await telec('update')
  expect(updated, updated.stderr).toMatchObject({ code: 0 })
  expect(state().deployed.commit).toBe(commit)
  await until('both to have started', async () => events().length === 4)
  const seen = events()
  expect(seen.filter((event) => event.endsWith(`${LABEL} 1.1.0`))).toEqual([`start ${LABEL} 1.1.0`])
  expect(seen.indexOf(`term ${LABEL} 1.0.0`)).toBe(0)
  expect(seen.indexOf(`term ${worker} 1.0.0`)).toBeLessThan(seen.indexOf(`start ${worker} 1.1.0`))
  const pids = [LABEL, worker].map((label) => `${label} \\(pid ${launchd.pid(label)}\\)`).join(', ')
  expect(updated.stderr).toMatch(new RegExp(`confirm: ${pids} are up for 0.1 s`))
  expect((await telec('status')).stdout).toMatch(
    new RegExp(`service +${LABEL} is running, pid \\d+ \\(launchd\\)\n +${worker} is running`),
  )

  const web = launchd.pid(LABEL)
  const config = join(computer.home, 'config.yml')
  writeFileSync(config, readFileSync(config, 'utf8').replace('service:', 'service:\n  stop_timeout: 5s'))
  await computer.push({
    ...version('1.2.0'),
    'server.js': SERVER.replace(
      "say('start')",
      `if (process.argv[2] === '${worker}') process.exit(0)\nsay('start')`,
    ),
  })
  await telec('watch')
  const halted = await telec('update')
  expect(halted.code).toBe(1)
  expect(halted.stderr).toMatch(/org\.example\.worker (does not start|did not stay up after the update)/)
  expect(launchd.pid(LABEL)).not.toBe(web)
})

test('a second service has jobs of its own, and its uninstall leaves the first alone', async () => {
  const { computer, launchd, telec, deployed } = await mac()
  const checkout = join(computer.folder, 'worker')
  await succeed('git', ['clone', '--quiet', computer.remote, checkout])
  await telec('init', '--name', 'worker', '--checkout', checkout)
  expect(await telec('install', '-')).toMatchObject({ code: 0, stderr: '' })
  expect(await telec('install', 'worker')).toMatchObject({ code: 0, stderr: '' })
  const first = [LABEL, 'telec-update', 'telec-watch']
  expect(launchd.labels()).toEqual([...first, 'telec-update.worker', 'telec-watch.worker'].toSorted())
  const home = join(computer.home, 'services/worker')
  await until('both to have polled', async () =>
    [computer.home, home].every((folder) => existsSync(join(folder, 'watch_state.json'))),
  )
  const commit = await computer.push(version('1.1.0'))
  launchd.tick()
  await deployed(commit)
  await until('the second to be deployed', async () => {
    const { deployed: at } = JSON.parse(readFileSync(join(home, 'update_state.json'), 'utf8'))
    return at.commit === commit
  })
  expect((await telec('logs', 'worker')).stdout).toContain('updated: 1.1.0 is deployed')
  expect(await telec('uninstall', 'worker')).toMatchObject({ code: 0, stderr: '' })
  expect(launchd.labels()).toEqual(first)
})

test('plists of another home are not written over, and it is said whose they are', async () => {
  const { computer, launchd, telec, agents } = await mac()
  await telec('install')
  const other = join(computer.folder, 'other')
  await succeed('git', ['clone', '--quiet', computer.remote, `${other}-app`])
  const asOther = (...args: string[]) =>
    execute(join(launchd.bin, 'node'), [join(DIST, 'telec'), ...args], {
      env: {
        HOME: computer.folder,
        TELEC_HOME: other,
        PATH: `${launchd.bin}:/usr/bin:/bin`,
        NODE_OPTIONS: nodeOptions(),
      },
    })
  await asOther('init', '--checkout', `${other}-app`)
  const refused = await asOther('install')
  expect(refused.code).toBe(78)
  expect(refused.stderr).toContain(`telec-watch.plist belongs to another service: ${computer.home}\n`)
  // A telec 0.1 wrote over them: both homes say that the files are theirs.
  cpSync(join(computer.home, 'installed.json'), join(other, 'installed.json'))
  const labels = launchd.labels()
  expect(await asOther('uninstall')).toMatchObject({ code: 0 })
  expect(launchd.labels()).toEqual(labels)
  expect(agents()).toHaveLength(labels.length)
  expect((await asOther('uninstall')).stdout).toBe('telec is not installed\n')
})

test('a service that a migration booted out is loaded and started again', async () => {
  const { computer, launchd, telec, state } = await mac()
  const job = `${launchd.domain}/${LABEL}`
  const commit = await computer.push({
    ...version('1.1.0'),
    'migrations/v1.1.0/001_stops.sh': `#!/bin/sh
case $1 in check) test -e ../out;; migrate) launchctl bootout ${job} && touch ../out;; esac
`,
  })
  expect((await telec('watch')).code).toBe(0)
  const updated = await telec('update')
  expect(updated, updated.stderr).toMatchObject({ code: 0 })
  expect(state().deployed.commit).toBe(commit)
  expect(updated.stderr).toMatch(/^restart: .*launchd started it, new pid \d+/m)
  expect(launchd.pid(LABEL)).not.toBeNull()
})

test('a change that WatchPaths missed is made up for by the calendar', async () => {
  const { computer, launchd, telec, deployed } = await mac()
  await telec('install')
  await until('the first poll', async () => computer.state('watch_state.json') !== null)
  launchd.isWatching = false
  const commit = await computer.push(version('1.1.0'))
  launchd.tick()
  await until('the signal', async () => computer.state('update_signal.json') !== null)
  await until('its own run to end', async () => launchd.pid('telec-update') === null)
  launchd.tick()
  await deployed(commit)
})

test('a changed configuration takes a bootout and a bootstrap that is refused at first', async () => {
  const { computer, launchd, telec } = await mac()
  await telec('install')
  const config = join(computer.home, 'config.yml')
  writeFileSync(config, readFileSync(config, 'utf8').replace('# poll_every: 60s', 'poll_every: 10m'))
  const again = await telec('install')
  expect(again, again.stderr).toMatchObject({ code: 0 })
  expect(again.stdout).toMatch(/wrote .*telec-watch\.plist/)
  expect(launchd.labels()).toEqual([LABEL, 'telec-update', 'telec-watch'])
})

test('a failing migration halts in one attempt, however often its folder changes', async () => {
  const { computer, launchd, telec, state } = await mac()
  await telec('install')
  await until('the first poll', async () => computer.state('watch_state.json') !== null)
  await computer.push({
    ...version('1.1.0'),
    'migrations/v1.1.0/001_fails.mjs':
      'export const check = () => false\nexport const migrate = () => false\n',
  })
  launchd.tick()
  await until('the halt', async () => state().halted !== null)
  for (let change = 0; change < 5; change += 1) writeFileSync(join(computer.home, `change-${change}`), '')
  const runs = launchd.runs('telec-update')
  launchd.tick()
  await until(
    'another run',
    async () => launchd.runs('telec-update') > runs && launchd.pid('telec-update') === null,
  )
  expect(state().halted?.attempts).toBe(1)
  expect(readFileSync(join(computer.folder, 'versions'), 'utf8')).toBe('1.0.0\n')
})

test('a service that was booted out stays so, and the update counts', async () => {
  const { computer, launchd, telec, deployed } = await mac()
  await telec('install')
  await until('the first poll', async () => computer.state('watch_state.json') !== null)
  await execute('launchctl', ['bootout', `${launchd.domain}/${LABEL}`], {
    env: { PATH: `${launchd.bin}:/usr/bin:/bin` },
  })
  const commit = await computer.push(version('1.1.0'))
  launchd.tick()
  await deployed(commit)
  expect(launchd.labels()).not.toContain(LABEL)
  expect(readFileSync(join(computer.home, 'telec-update.log'), 'utf8')).toContain('is stopped, and stays so')
})

test('without a session of that user it says what to do', async () => {
  const computer = await freshComputer({ init: false })
  const launchd = await Launchd.start(join(computer.folder, 'bin'), 4711)
  onTestFinished(() => launchd.stop())
  const env = {
    HOME: computer.folder,
    TELEC_HOME: computer.home,
    PATH: `${launchd.bin}:/usr/bin:/bin`,
    NODE_OPTIONS: nodeOptions(),
  }
  const telec = (...args: string[]) =>
    execute(join(launchd.bin, 'node'), [join(DIST, 'telec'), ...args], { env })
  await telec('init', '--checkout', computer.checkout)
  const { code, stderr } = await telec('install')
  expect(code).toBe(78)
  expect(stderr).toMatch(/launchd has no domain gui\/\d+[\s\S]*log in at the desktop/)
  expect(existsSync(join(computer.folder, 'Library'))).toBe(false)
})

test('doctor --restart-contract sees a job that leaves with 42 come back', async () => {
  const { launchd, telec } = await mac()
  const { code, stdout } = await telec('doctor', '--restart-contract')
  expect({ code, stdout }).toMatchObject({ code: 0 })
  expect(stdout).toMatch(/came back as pid \d+ after \d+\.\d s \(launchd\)/)
  expect(launchd.labels()).toEqual([LABEL])
})

test('a log that has grown large is put aside, once', async () => {
  const { computer, launchd, telec } = await mac()
  await telec('install')
  await until('the first poll', async () => computer.state('watch_state.json') !== null)
  const log = join(computer.home, 'telec-update.log')
  appendFileSync(log, 'x'.repeat(1_100_000))
  await until('it to be put aside', async () => {
    if (launchd.pid('telec-update') === null) launchd.tick()
    return existsSync(`${log}.1`)
  })
  expect(statSync(`${log}.1`).size).toBeGreaterThan(1_100_000 - 1)
  await until('a new one', async () => {
    if (launchd.pid('telec-update') === null) launchd.tick()
    return existsSync(log)
  })
  expect(statSync(log).size).toBeLessThan(10_000)
})
