import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
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

/** Of a user who is logged in at the desktop, and of that user's other sessions. */
const GUI = `gui/${process.getuid?.()}`
const DOMAINS = [GUI, GUI.replace('gui', 'user')]

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
  const launchd = await Launchd.start(join(computer.folder, 'bin'), DOMAINS)
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
    expect(await run('launchctl', 'bootstrap', GUI, plist)).toMatchObject({ code: 0, stderr: '' })
  }
  const services = labels.length > 0 ? ['--service', ...labels] : []
  expect((await telec('init', '--checkout', computer.checkout, ...services)).code).toBe(0)
  const config = join(computer.home, 'config.yml')
  writeFileSync(config, readFileSync(config, 'utf8').replace('# healthy_after: 5s', 'healthy_after: 100ms'))
  const state = () => computer.state('update_state.json') as unknown as ReturnType<Mac['state']>
  return {
    computer,
    launchd,
    telec,
    state,
    deployed: (commit) =>
      until(`${commit} to be deployed`, async () => {
        if (launchd.pid('telec-watch') === null) launchd.tick() // a minute that comes while a poll runs is missed
        return state().deployed.commit === commit
      }),
    agents: () => readdirSync(agentsFolder).toSorted(),
  }
}

/** And its end: a minute of the calendar that comes while a job runs is missed. */
const firstPoll = (computer: Computer, launchd: Launchd) =>
  until(
    'the first poll to have ended',
    async () => computer.state('watch_state.json') !== null && launchd.pid('telec-watch') === null,
  )

test('install, a push, the service restarted, uninstall', async () => {
  const { computer, launchd, telec, deployed, agents, state } = await mac()
  const installed = await telec('install')
  expect(installed, installed.stderr).toMatchObject({ code: 0 })
  expect(launchd.labels()).toEqual([LABEL, 'telec-update', 'telec-watch'])
  await firstPoll(computer, launchd)
  const [pid, runs] = [launchd.pid(LABEL), launchd.runs(LABEL)]

  const commit = await computer.push(version('1.1.0'))
  launchd.tick()
  await deployed(commit)
  expect(launchd.pid(LABEL)).not.toBe(pid)
  expect(launchd.runs(LABEL)).toBe(runs + 1)
  expect(readFileSync(join(computer.folder, 'versions'), 'utf8')).toBe('1.0.0\n1.1.0\n')
  const log = readFileSync(join(computer.folder, 'Library/Logs/telec/telec-update.log'), 'utf8')
  expect(log).toMatch(new RegExp(`restart: old pid ${pid} exited.*, new pid ${launchd.pid(LABEL)}`))
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
    if (launchd.pid('telec-watch.worker') === null) launchd.tick()
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
  const job = `${GUI}/${LABEL}`
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
  await firstPoll(computer, launchd)
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
  await firstPoll(computer, launchd)
  await computer.push({
    ...version('1.1.0'),
    'migrations/v1.1.0/001_fails.mjs':
      'export const check = () => false\nexport const migrate = () => false\n',
  })
  launchd.tick()
  await until('the halt', async () => state().halted !== null)
  for (let change = 0; change < 5; change += 1) writeFileSync(join(computer.home, `change-${change}`), '')
  const runs = launchd.runs('telec-update')
  await until('another run', async () => {
    if (launchd.pid('telec-update') !== null) return false
    launchd.tick()
    return launchd.runs('telec-update') > runs + 1
  })
  expect(state().halted?.attempts).toBe(1)
  expect(readFileSync(join(computer.folder, 'versions'), 'utf8')).toBe('1.0.0\n')
})

test('a service that was booted out stays so, and the update counts', async () => {
  const { computer, launchd, telec, deployed } = await mac()
  await telec('install')
  await firstPoll(computer, launchd)
  await execute('launchctl', ['bootout', `${GUI}/${LABEL}`], {
    env: { PATH: `${launchd.bin}:/usr/bin:/bin` },
  })
  const commit = await computer.push(version('1.1.0'))
  launchd.tick()
  await deployed(commit)
  expect(launchd.labels()).not.toContain(LABEL)
  expect(readFileSync(join(computer.folder, 'Library/Logs/telec/telec-update.log'), 'utf8')).toContain(
    'org.example.web is stopped: not restarted',
  )
})

test('without a session of that user it says what to do', async () => {
  const computer = await freshComputer({ init: false })
  const launchd = await Launchd.start(join(computer.folder, 'bin'), DOMAINS.slice(1))
  onTestFinished(() => launchd.stop())
  const env = {
    HOME: computer.folder,
    TELEC_HOME: computer.home,
    PATH: `${launchd.bin}:/usr/bin:/bin`,
    NODE_OPTIONS: nodeOptions(),
  }
  const telec = (...args: string[]) =>
    execute(join(launchd.bin, 'node'), [join(DIST, 'telec'), ...args], { env })
  const advice = /launchd has no domain gui\/\d+[\s\S]*sudo telec init --system/
  expect(await telec('init', '--checkout', computer.checkout)).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(advice),
  })
  const { code, stderr } = await telec('install')
  expect(code).toBe(78)
  expect(stderr).toMatch(advice)
  expect(existsSync(join(computer.folder, 'Library'))).toBe(false)
})

test('what telec writes in its home starts nothing again, and what it writes in the checkout keeps its mode', async () => {
  const { computer, launchd, telec, state, deployed } = await mac()
  await telec('install')
  await firstPoll(computer, launchd)
  const commit = await computer.push({ ...version('1.1.0'), 'public/index.html': 'hello' })
  launchd.tick()
  await deployed(commit)
  const isQuiet = async () =>
    ['telec-update', 'telec-watch'].every(
      (label) => launchd.pid(label) === null && !launchd.isThrottled(label),
    )
  await until('launchd to have nothing to start', isQuiet)
  const runs = launchd.runs('telec-update')
  const next = await computer.push(version('1.2.0'))
  await telec('watch')
  // Without a minute of the calendar: a poll during the update would wake it once more.
  await until(`${next} to be deployed`, async () => state().deployed.commit === next)
  await until('launchd to have nothing to start', isQuiet)
  expect(launchd.runs('telec-update')).toBe(runs + 1) // once a signal, and not again when it is removed
  for (let change = 0; change < 3; change += 1) writeFileSync(join(computer.home, `change-${change}`), '')
  await telec('watch')
  expect(await isQuiet()).toBe(true)
  expect(launchd.runs('telec-update')).toBe(runs + 1)
  expect(statSync(join(computer.checkout, 'public/index.html')).mode & 0o777).toBe(0o644)
  expect(statSync(join(computer.home, 'update_state.json')).mode & 0o777).toBe(0o600)
})

test('one of telec holds the lock against another', async () => {
  const { computer, telec } = await mac()
  await computer.push({ ...version('1.1.0'), 'migrations/v1.1.0/001_waits.mjs': WAITS })
  await telec('watch')
  const first = telec('update')
  await until('the migration', async () => existsSync(join(computer.folder, 'waits')))
  expect(await telec('repair')).toMatchObject({
    code: 75,
    stderr: expect.stringContaining('another telec is at work'),
  })
  writeFileSync(join(computer.folder, 'go-on'), '')
  expect(await first).toMatchObject({ code: 0 })
})

/** A migration that waits for a file. */
const WAITS = `import { existsSync, writeFileSync } from 'node:fs'
export const check = () => existsSync('../go-on')
export const migrate = async () => {
  writeFileSync('../waits', '')
  while (!existsSync('../go-on')) await new Promise((resolve) => setTimeout(resolve, 20))
  return true
}
`

test.each(['waits', 'is refused', 'hangs'] as const)(
  'a service that launchd holds back is waited for, where kickstart %s',
  async (kickstart) => {
    const { computer, launchd, telec } = await mac()
    launchd.kickstartOfThrottled = kickstart
    launchd.secondMs = 1_000 // its throttle is ten times as long as that
    await execute('launchctl', ['kickstart', '-k', `${GUI}/${LABEL}`], {
      env: { PATH: `${launchd.bin}:/usr/bin:/bin` },
    })
    const commit = await computer.push(version('1.1.0'))
    await telec('watch')
    const updated = await telec('update')
    expect(updated, updated.stderr).toMatchObject({ code: 0 })
    expect(updated.stderr).toMatch(/^restart: .*, new pid \d+ \(/m)
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit } })
  },
)

test('a service that was loaded by an ssh session is found, restarted and confirmed', async () => {
  const { computer, launchd, telec } = await mac()
  const env = { PATH: `${launchd.bin}:/usr/bin:/bin` }
  const [, background = ''] = DOMAINS
  await execute('launchctl', ['bootout', `${GUI}/${LABEL}`], { env })
  const plist = join(computer.folder, `Library/LaunchAgents/${LABEL}.plist`)
  await until(
    'the job to be loaded',
    async () => (await execute('launchctl', ['bootstrap', background, plist], { env })).code === 0,
  )
  const before = launchd.pid(LABEL)
  const commit = await computer.push(version('1.1.0'))
  await telec('watch')
  const updated = await telec('update')
  expect(updated, updated.stderr).toMatchObject({ code: 0 })
  expect(updated.stderr).toContain(`restart: old pid ${before} exited`)
  expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit } })
})

test('a service that dies of a signal has failed, and was not stopped on purpose', async () => {
  const { computer, launchd, telec } = await mac()
  const before = launchd.pid(LABEL) ?? 0
  await computer.push(version('1.1.0'))
  await telec('watch')
  process.kill(before, 'SIGKILL')
  const updated = await telec('update')
  expect(updated, updated.stderr).toMatchObject({ code: 0 })
  expect(updated.stderr).not.toContain('not restarted')
  expect(launchd.pid(LABEL)).not.toBe(before)
  expect(readFileSync(join(computer.folder, 'versions'), 'utf8')).toMatch(/1\.1\.0\n$/)
})

test('where Login Items has telec switched off, install says so within seconds, and so does doctor', async () => {
  const { launchd, telec } = await mac()
  launchd.isSwitchedOff = true
  const refused = await telec('install')
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(/bootstrap .* failed\n.*Bootstrap failed: 5.*\n.*Login Items/)
  expect((await telec('doctor')).stdout).toMatch(/^✗ units /m)
  launchd.isSwitchedOff = false
  expect(await telec('install')).toMatchObject({ code: 0 })
  expect(launchd.labels()).toEqual([LABEL, 'telec-update', 'telec-watch'])
})

test('a job that launchd forgets to start when it is loaded is started', async () => {
  const { computer, launchd, telec } = await mac()
  launchd.startsAtLoad = false
  expect(await telec('install')).toMatchObject({ code: 0 })
  await firstPoll(computer, launchd)
})

test("a job that fails each time is seen, and Apple's stand-in for git named", async () => {
  const { computer, launchd, telec } = await mac()
  const words =
    'xcrun: error: invalid active developer path (/Library/Developer/CommandLineTools), missing xcrun'
  writeFileSync(join(launchd.bin, 'git'), `#!/bin/sh\necho '${words}' >&2\nexit 1\n`, { mode: 0o755 })
  await telec('install')
  await until(
    'the first poll to end',
    async () => launchd.runs('telec-watch') > 0 && launchd.pid('telec-watch') === null,
  )
  const { stdout } = await telec('doctor')
  expect(stdout).toMatch(
    /^✗ git +git is missing: macOS has only a stub for it\n.*xcrun.*\n.*xcode-select --install$/m,
  )
  expect(stdout).toMatch(/^✗ polling +the last (poll|\d+ polls) failed: git is missing/m)
  rmSync(join(launchd.bin, 'git'))
  await telec('watch')
  expect(computer.state('watch_state.json')).toMatchObject({ failures: 0 })
})

test('a checkout where macOS lets no job look is named at install, and by doctor', async () => {
  const { computer, telec } = await mac([])
  const documents = join(computer.folder, 'Documents')
  mkdirSync(documents)
  await succeed('git', ['clone', '--quiet', computer.remote, join(documents, 'web')])
  await telec('init', '--name', 'web', '--checkout', join(documents, 'web'))
  const told = `the checkout is in ${documents}: macOS keeps programs of launchd out of there`
  expect((await telec('install', 'web')).stderr).toContain(told)
  expect((await telec('doctor', 'web')).stdout).toContain(told)
})

test.each([true, false])(
  'doctor --restart-contract sees a job that leaves with 42 come back, started at load: %s',
  async (startsAtLoad) => {
    const { launchd, telec } = await mac()
    launchd.startsAtLoad = startsAtLoad
    const { code, stdout } = await telec('doctor', '--restart-contract')
    expect({ code, stdout }).toMatchObject({ code: 0 })
    expect(stdout).toMatch(/restarted as pid \d+ after \d+\.\d s \(launchd\)/)
    expect(launchd.labels()).toEqual([LABEL])
  },
)

test('a log that has grown large is rotated, once', async () => {
  const { computer, launchd, telec } = await mac()
  await telec('install')
  await firstPoll(computer, launchd)
  const log = join(computer.folder, 'Library/Logs/telec/telec-update.log')
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
