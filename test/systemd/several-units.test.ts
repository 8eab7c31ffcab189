import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

const NAMES = ['web', 'worker'] as const
const [WEB, WORKER] = ['web.service', 'worker.service']
const UNITS = '~/.config/systemd/user'

/**
 * Writes what happens to it to ~/events. Of Type=notify: it is ready a moment after its start, and not while ~/hold is
 * there; with ~/broken-NAME it ends at its start. Commands from its pipe run inside its unit.
 */
const SERVER = `const { appendFileSync, existsSync } = require('node:fs')
const { execSync, spawn, spawnSync } = require('node:child_process')
const { version } = require('./package.json')
const { HOME } = process.env
const name = process.argv[2]
const say = (what) => appendFileSync(HOME + '/events', what + ' ' + name + ' ' + version + '\\n')
console.log(name + ' says ' + version)
say('start')
process.on('SIGTERM', () => { say('term'); process.exit(42) })
if (existsSync(HOME + '/broken-' + name)) process.exit(3)
const ready = setInterval(() => {
  if (existsSync(HOME + '/hold')) return
  clearInterval(ready)
  say('ready')
  spawnSync('systemd-notify', ['--ready'])
}, 200)
setInterval(() => {}, 60000)
const orders = HOME + '/orders-' + name
execSync('test -p ' + orders + ' || mkfifo ' + orders)
spawn('/bin/bash', ['-c', 'while true; do bash -c "$(cat ' + orders + ')" >>~/said 2>&1; done'])
`

let subscriber: Subscriber
let number = 0

interface State {
  readonly deployed: { readonly commit: string }
  readonly last: { readonly steps: readonly { readonly name: string; readonly note: string | null }[] } | null
  readonly halted: { readonly step: string; readonly error: string } | null
}
const state = async () => (await subscriber.state('update_state.json')) as unknown as State
const events = async () => (await subscriber.sh('cat ~/events')).stdout.trim().split('\n')
const pid = (unit: string) => subscriber.systemctl(`show ${unit} --property=MainPID --value`)
const update = (flags = '') => subscriber.telec(`telec-update ${flags}`, { allowFailure: true })

/** A new version, signalled; nothing has happened since. */
async function push(files: Readonly<Record<string, string>> = {}) {
  number += 1
  const name = `1.1.${number}`
  const commit = await subscriber.push({ ...version(name), 'server.js': SERVER, ...files })
  await subscriber.telec('telec-watch')
  await subscriber.sh('>~/events')
  return { name, commit }
}

beforeAll(async () => {
  subscriber = await subscribe('user', { healthy_after: '300ms', environment: 'true' })
  for (const name of NAMES)
    await subscriber.sh(`cat >${UNITS}/${name}.service`, {
      input: `[Unit]
StartLimitIntervalSec=0
[Service]
Type=notify
NotifyAccess=all
WorkingDirectory=%h/app
Environment=WHO=${name} ONLY_${name}=yes
ExecStart=${process.execPath} server.js ${name}
[Install]
WantedBy=default.target
`,
    })
  await subscriber.push({ ...version('1.1.0'), 'server.js': SERVER })
  await subscriber.sh(`git -C ~/app pull --quiet; rm -r ~/.teleclaude
systemctl --user daemon-reload; systemctl --user enable --quiet ${WEB} ${WORKER}; systemctl --user restart ${WEB} ${WORKER}`)
  await subscriber.telec(`telec init --checkout ~/app --service ${WEB} ${WORKER}`)
  await subscriber.sh(
    `sed -i 's/# healthy_after: 5s/healthy_after: 300ms/; s/# environment:/environment:/; s,# health: .*,health: echo health >>~/events,' ~/.teleclaude/config.yml`,
  )
  await subscriber.telec('telec install')
  await subscriber.systemctl('stop telec-watch.timer telec-update.path telec-update.timer')
})
afterAll(() => subscriber?.dispose())

beforeEach(async () => {
  await subscriber.sh('rm -f ~/broken-* ~/hold')
  await subscriber.systemctl(`start ${WEB} ${WORKER}`)
})

test('each unit has the drop-in, and doctor, status and logs tell of each', async () => {
  for (const unit of [WEB, WORKER]) {
    const shown = await subscriber.systemctl(`show ${unit} --property=RestartForceExitStatus --value`)
    expect(shown).toBe('42')
  }
  const doctor = await subscriber.telec('telec doctor --json', { allowFailure: true })
  const findings = JSON.parse(doctor.stdout) as { check: string; message: string }[]
  expect(JSON.stringify(findings)).toMatch(
    /web\.service is running, pid \d+, restarts after exit code 42 \(systemd\); worker\.service is running, pid \d+, restarts/,
  )
  expect((await subscriber.telec('telec status')).stdout).toMatch(
    /^service +web\.service is running, pid \d+ \(systemd\)\n +worker\.service is running, pid \d+ \(systemd\)$/m,
  )
  const logs = await subscriber.telec('telec logs')
  for (const name of NAMES) expect(logs.stdout).toContain(`${name} says 1.1.0`)
  const fields = await subscriber.systemctl('show telec-update --property=LogExtraFields --value')
  expect(fields).toBe(`TELEC_SERVICE=${WEB} TELEC_SERVICE=${WORKER}`)
})

test('they are restarted in their order, each brought up before the next is touched; health is asked once, after all', async () => {
  const before = '1.1.0'
  const { name, commit } = await push()
  const { code, stderr } = await update()
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(await events()).toEqual([
    `term web ${before}`,
    `start web ${name}`,
    `ready web ${name}`,
    `term worker ${before}`,
    `start worker ${name}`,
    `ready worker ${name}`,
    'health',
  ])
  const { deployed, last } = await state()
  expect(deployed.commit).toBe(commit)
  const note = (step: string) => last?.steps.find((one) => one.name === step)?.note
  const left = /old pid \d+ exited \(exit code 42\), new pid \d+/.source
  expect(note('restart')).toMatch(new RegExp(`^web\\.service: ${left}; worker\\.service: ${left}$`))
  expect(note('confirm')).toBe(
    `web.service (pid ${await pid(WEB)}), worker.service (pid ${await pid(WORKER)}) are up for 0.3 s, and healthy`,
  )
})

test('where the second does not come up it is named, and --retry starts it alone', async () => {
  const { name, commit } = await push()
  await subscriber.sh('touch ~/broken-worker')
  const { code, stderr } = await update()
  expect(code).toBe(1)
  expect(stderr).toMatch(/worker\.service (does not start|did not stay up after the update)/)
  expect((await state()).halted?.error).toMatch(/^worker\.service /)
  const web = await pid(WEB)
  expect(web).not.toBe('0')

  await subscriber.sh('rm ~/broken-worker')
  const retried = await update('--retry')
  expect(retried, retried.stderr).toMatchObject({ code: 0 })
  expect(retried.stderr).toContain(`restart: web.service: pid ${web} runs already; worker.service `)
  expect(await pid(WEB)).toBe(web)
  expect((await events()).filter((event) => event === `start web ${name}`)).toHaveLength(1)
  expect((await state()).deployed.commit).toBe(commit)
})

test('where the first does not come up the second is not touched', async () => {
  const { name, commit } = await push()
  await subscriber.sh('touch ~/broken-web')
  const worker = await pid(WORKER)
  expect(await update()).toMatchObject({ code: 1 })
  expect((await state()).halted?.error).toMatch(/^web\.service /)
  expect((await events()).join()).not.toContain('worker')
  expect(await pid(WORKER)).toBe(worker)
  const status = await subscriber.telec('telec status')
  expect(status.stdout).toMatch(
    /^halted +at restart, .*\n +web\.service (does not start|did not stay up after the update)$/m,
  )

  await subscriber.sh('rm ~/broken-web')
  expect(await update('--retry')).toMatchObject({ code: 0 })
  expect((await events()).at(-2)).toBe(`ready worker ${name}`)
  expect((await state()).deployed.commit).toBe(commit)
})

test('an update that is killed between the two continues with the second', async () => {
  const { name, commit } = await push()
  await subscriber.sh('touch ~/hold')
  const killed = subscriber.sh(`echo $$ >~/pid; exec ${subscriber.bin}/telec-update`, { allowFailure: true })
  await until('the first to be started', async () => (await events()).includes(`start web ${name}`))
  await subscriber.sh('kill -KILL $(cat ~/pid)')
  expect((await killed).code).toBe(137)
  const web = await pid(WEB)
  expect((await events()).join()).not.toContain('worker')

  await subscriber.sh('rm ~/hold')
  const { code, stderr } = await update()
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(await pid(WEB)).toBe(web)
  const seen = await events()
  expect(seen.filter((event) => event === `start web ${name}`)).toHaveLength(1)
  expect(seen.indexOf(`ready web ${name}`)).toBeLessThan(seen.indexOf(`start worker ${name}`))
  expect(seen.filter((event) => event === 'health')).toHaveLength(1)
  expect((await state()).deployed.commit).toBe(commit)
})

test('one that is stopped on purpose stays so, and the other is restarted', async () => {
  const { name, commit } = await push()
  await subscriber.systemctl(`stop ${WEB}`)
  const { code, stderr } = await update()
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stderr).toMatch(
    /restart: web\.service is stopped: not restarted; worker\.service: old pid \d+ exited/,
  )
  expect(stderr).toMatch(/confirm: worker\.service \(pid \d+\) is up/)
  expect(await pid(WEB)).toBe('0')
  expect((await events()).at(-2)).toBe(`ready worker ${name}`)
  expect((await state()).deployed.commit).toBe(commit)
})

test('one that systemd restarts along with another is restarted once', async () => {
  const dropIn = `${UNITS}/${WORKER}.d/part-of.conf`
  await subscriber.sh(`printf '[Unit]\\nPartOf=${WEB}\\n' >${dropIn}; systemctl --user daemon-reload`)
  const { name, commit } = await push()
  const { code, stderr } = await update()
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stderr).toMatch(/confirm: web\.service \(pid \d+\), worker\.service \(pid \d+\) are up/)
  const starts = (await events()).filter((event) => event.startsWith('start'))
  expect(starts.toSorted()).toEqual([`start web ${name}`, `start worker ${name}`])
  expect((await state()).deployed.commit).toBe(commit)
  await subscriber.sh(`rm ${dropIn}; systemctl --user daemon-reload`)
})

test('migrations get the environment of the first unit', async () => {
  const next = `1.1.${number + 1}`
  await push({
    [`migrations/v${next}/001_env.sh`]:
      '#!/bin/sh\ncase $1 in check) test -e ~/env;; migrate) env >~/env;; esac\n',
  })
  expect(await update()).toMatchObject({ code: 0 })
  const { stdout } = await subscriber.sh('cat ~/env')
  expect(stdout).toMatch(/^WHO=web$/m)
  expect(stdout).toMatch(/^ONLY_web=yes$/m)
  expect(stdout).not.toContain('ONLY_worker')
})

test('telec-update from inside the second hands over to its unit', async () => {
  const { commit } = await push()
  await subscriber.sh('cat >~/orders-worker', { input: `${subscriber.bin}/telec-update` })
  await subscriber.deployed(commit)
  expect((await subscriber.sh('cat ~/said')).stdout).toContain('handed over to telec-update.service')
})

test('a unit that another service has in any place is refused, and two names of one unit are', async () => {
  await subscriber.sh(`git clone --quiet ~/app ~/other`)
  const shared = await subscriber.telec(
    `telec init --name other --checkout ~/other --service other.service worker`,
    {
      allowFailure: true,
    },
  )
  expect(shared.code).toBe(78)
  expect(shared.stderr).toMatch(/worker is restarted by another service: /)

  await subscriber.sh(
    `ln -s ${WEB} ${UNITS}/alias.service; systemctl --user daemon-reload; sed -i 's/^  name: .*/  name: [${WEB}, alias.service]/' ~/.teleclaude/config.yml`,
  )
  const twice = await subscriber.telec('telec install', { allowFailure: true })
  expect(twice.code).toBe(78)
  expect(twice.stderr).toContain(
    'service.name has web.service and alias.service, which are one unit: web.service',
  )
})
