import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { SERVER, SERVICE, type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

let subscriber: Subscriber
let number = 0

/** Says its version; what it does when asked to stop is the test's business. */
const server = (onTerm: string) => SERVER.replace('process.exit(42)', onTerm)
const IGNORES = server('{}')
const CRASHES = `console.log('cannot start'); process.exit(3)\n`

beforeAll(async () => {
  subscriber = await subscribe('user', { healthy_after: '300ms' })
  await subscriber.telec('telec install')
  // Driven by hand from here on: one poll and one update each.
  await subscriber.systemctl(`stop ${TIMERS}`)
  await subscriber.sh("sed -i 's/^service:/service:\\n  stop_timeout: 1m/' ~/.teleclaude/config.yml")
})
afterAll(() => subscriber?.dispose())

const TIMERS = 'telec-watch.timer telec-update.path telec-update.timer'

/** Sets a key of `service:`. */
const configure = (key: string, value: string) =>
  subscriber.sh(`sed -i 's/^  \\(# \\)\\?${key}: [^ ]*/  ${key}: ${value}/' ~/.teleclaude/config.yml`)

const property = (name: string) => subscriber.systemctl(`show ${SERVICE} --property=${name} --value`)

/** Replaces the service's unit; `lines` go into [Service]. */
async function unit(...lines: string[]): Promise<void> {
  const text = [
    '[Unit]',
    'StartLimitIntervalSec=1s', // telec takes care of the limit: with the default each update would take 2 s
    '[Service]',
    'WorkingDirectory=%h/app',
    ...lines,
    '[Install]',
    'WantedBy=default.target',
    '',
  ].join('\n')
  await subscriber.sh(`cat >~/.config/systemd/user/${SERVICE}; systemctl --user daemon-reload`, {
    input: text,
  })
}

const EXEC = `ExecStart=${process.execPath} server.js`

/** The service as it is before a test: this code, this unit, started. */
async function given(code: string, ...lines: string[]): Promise<void> {
  await unit(EXEC, ...lines)
  await deliver(code)
  await subscriber.systemctl(`reset-failed ${SERVICE}`)
  await subscriber.systemctl(`restart ${SERVICE}`)
  await until('the service to run', async () => (await property('ActiveState')) === 'active')
}

async function push(code: string): Promise<string> {
  number += 1
  return subscriber.push({ ...version(`1.1.${number}`), 'server.js': `${code}// ${number}\n` })
}

/** Brings code to the computer, with any result for the service. */
async function deliver(code: string): Promise<void> {
  await push(code)
  await subscriber.telec('telec-watch')
  await subscriber.telec('telec-update', { allowFailure: true })
}

/** Pushes, polls and updates; what the steps restart and confirm noted, or how it halted. */
async function update(
  code = SERVER,
): Promise<{ code: number; restart: string; confirm: string; halted: string; stderr: string }> {
  const commit = await push(code)
  await subscriber.telec('telec-watch')
  const ended = await subscriber.telec('telec-update', { allowFailure: true })
  const state = (await subscriber.state('update_state.json')) as {
    deployed: { commit: string }
    last: { steps: { name: string; note: string }[] }
    halted: { step: string; error: string; because: string } | null
  }
  expect(state.deployed.commit === commit).toBe(ended.code === 0)
  const note = (name: string) => state.last.steps.find((step) => step.name === name)?.note ?? ''
  const { step = '', error = '', because = '' } = state.halted ?? {}
  return {
    code: ended.code,
    restart: note('restart'),
    confirm: note('confirm'),
    halted: `${step}: ${error}: ${because}`,
    stderr: ended.stderr,
  }
}

describe('a service that exits with', () => {
  test.each([
    ['42, under Restart=no', 42, 'Restart=no', /^old pid \d+ exited \(exit code 42\), new pid \d+$/],
    ['0, under Restart=always', 0, 'Restart=always', /^old pid \d+ exited.*, new pid \d+$/],
    [
      '0, under Restart=on-failure',
      0,
      'Restart=on-failure',
      /exited \(exit code 0\), new pid \d+; its manager did not restart it: telec started it$/,
    ],
    [
      '0, under Restart=no',
      0,
      'Restart=no',
      /exited \(exit code 0\), new pid \d+; its manager did not restart it: telec started it$/,
    ],
    [
      '7, under Restart=no',
      7,
      'Restart=no',
      /exited \(exit code 7\), new pid \d+; its manager did not restart it: telec started it$/,
    ],
    [
      '42, slowly, and comes back after RestartSec=1s',
      42,
      'RestartSec=1s',
      /^old pid \d+ exited \(exit code 42\), new pid \d+$/,
    ],
  ])('%s', async (_, exitCode, line, note) => {
    await given(server(`process.exit(${exitCode})`), line)
    const pid = await property('MainPID')
    const { code, restart } = await update(server(`process.exit(${exitCode})`))
    expect(code).toBe(0)
    expect(restart).toMatch(note)
    expect(await property('MainPID')).not.toBe(pid)
    expect(await property('ActiveState')).toBe('active')
  })
})

test('one that ignores SIGTERM is restarted by force after stop_timeout', async () => {
  await given(IGNORES, 'TimeoutStopSec=1s')
  await configure('stop_timeout', '2s')
  const { restart } = await update()
  expect(restart).toMatch(/new pid \d+; it did not exit within 2 s: telec restarted it$/)
  await configure('stop_timeout', '1m')
})

test('one that crashes at once with the new code halts at confirm, and a push that fixes it is taken', async () => {
  await given(SERVER, 'Restart=on-failure')
  await configure('healthy_after', '1m') // so that it crashes before that, however slow the computer is
  const { code, halted } = await update(CRASHES)
  expect(code).toBe(1)
  expect(halted).toMatch(
    /^(confirm|restart): web\.service (did not stay up after the update|does not start): .*exit code 3|^confirm: .*restarted within/,
  )
  await unit(EXEC, 'Restart=on-failure', '[Unit]', 'StartLimitIntervalSec=1h') // five starts, however long they take
  await until('its start limit', async () => (await property('ActiveState')) === 'failed')
  await configure('healthy_after', '300ms')
  const mended = await update()
  expect(mended).toMatchObject({ code: 0 })
  expect(mended.restart).toMatch(/^web\.service had failed \(exit code 3\); systemd started it, new pid \d+$/)
  expect(await property('ActiveState')).toBe('active')
})

test.each(['telec-update --retry', 'telec update --retry'])(
  'one that fails for want of a file halts; once that is there, %s starts it',
  async (retry) => {
    await given(SERVER, 'Restart=no')
    const commit = await push(`if (!require('node:fs').existsSync('../key')) process.exit(3)\n${SERVER}`)
    await subscriber.telec('telec-watch')
    expect(await subscriber.telec('telec-update', { allowFailure: true })).toMatchObject({ code: 1 })
    await until('it to have failed', async () => (await property('ActiveState')) === 'failed')
    await subscriber.sh('touch ~/key')
    await subscriber.telec(retry)
    expect(await subscriber.state('update_state.json')).toMatchObject({ deployed: { commit }, halted: null })
    expect(await property('ActiveState')).toBe('active')
    await subscriber.sh('rm ~/key')
  },
)

test('one that was stopped on purpose stays stopped, and the update counts', async () => {
  await given(SERVER, 'Restart=always')
  await subscriber.systemctl(`stop ${SERVICE}`)
  const { code, restart, confirm } = await update()
  expect({ code, restart, confirm }).toEqual({
    code: 0,
    restart: 'web.service is stopped: not restarted',
    confirm: 'no unit was restarted',
  })
  expect(await property('ActiveState')).toBe('inactive')
})

test('one that a user stops while it is to restart stays stopped, too', async () => {
  await given(SERVER)
  await unit(EXEC, 'RestartSec=1min')
  const before = await property('MainPID')
  const updating = update()
  await until(
    'it to leave',
    async () => (await property('MainPID')) !== before && (await property('ActiveState')) === 'activating',
  )
  await subscriber.systemctl(`stop ${SERVICE}`)
  const { code, restart } = await updating
  expect({ code, restart }).toEqual({
    code: 0,
    restart: 'web.service was stopped during the restart: not started',
  })
  expect(await property('ActiveState')).toBe('inactive')
})

test('one that is masked stays masked', async () => {
  await given(SERVER)
  await subscriber.systemctl(`stop ${SERVICE}`)
  await subscriber.sh(
    `mv ~/.config/systemd/user/${SERVICE} ~/saved && systemctl --user mask --quiet ${SERVICE}`,
  )
  const { code, restart } = await update()
  expect({ code, restart }).toEqual({ code: 0, restart: 'web.service is masked: not restarted' })
  await subscriber.sh(
    `systemctl --user unmask --quiet ${SERVICE} && mv ~/saved ~/.config/systemd/user/${SERVICE} && systemctl --user daemon-reload`,
  )
})

test('one of Type=notify that takes its time is waited for', async () => {
  const notifying = `${SERVER}setTimeout(() => require('node:child_process').execSync('systemd-notify --ready'), 1000)\n`
  await unit(EXEC, 'Type=notify', 'NotifyAccess=all')
  await deliver(notifying)
  await subscriber.systemctl(`restart ${SERVICE}`)
  const { code, confirm } = await update(notifying)
  expect(code).toBe(0)
  expect(confirm).toMatch(/^pid \d+ is up for 0\.3 s$/)
  expect(await property('ActiveState')).toBe('active')
})

test('one that forks away is known by its PID file', async () => {
  const lines = [
    'Type=forking',
    'PIDFile=%t/web.pid',
    `ExecStart=/bin/sh -c '${process.execPath} server.js & echo $$! >%t/web.pid'`,
  ]
  await unit(...lines)
  await deliver(SERVER)
  await subscriber.systemctl(`restart ${SERVICE}`)
  const pid = await property('MainPID')
  const { code, restart } = await update()
  expect(code).toBe(0)
  expect(restart).toMatch(new RegExp(`^old pid ${pid} exited \\(exit code 42\\), new pid \\d+$`))
})

test('restart: manager has systemd stop and start it', async () => {
  await given(SERVER)
  await configure('restart', 'manager')
  const { code, restart } = await update()
  expect(code).toBe(0)
  expect(restart).toMatch(/^old pid \d+ stopped by systemd, new pid \d+$/)
})

test('a unit without a main process takes no restart by exit code 42; with restart: manager systemd restarts it', async () => {
  await unit('Type=oneshot', 'RemainAfterExit=yes', `ExecStart=/bin/sh -c 'echo up >>%h/ups'`)
  await configure('restart', 'exit-42')
  const refused = await subscriber.telec('telec install', { allowFailure: true })
  expect(refused.code).toBe(78)
  expect(refused.stderr).toMatch(/Type=oneshot, for which systemd refuses.*\n.*service\.restart: manager/)
  await configure('restart', 'manager')
  await subscriber.telec('telec install')
  await subscriber.systemctl(`stop ${TIMERS}`)
  await subscriber.systemctl(`restart ${SERVICE}`)
  const { code, restart } = await update()
  expect({ code, restart }).toEqual({
    code: 0,
    restart: 'web.service has no main process: systemd restarted it',
  })
  expect((await subscriber.sh('cat ~/ups')).stdout).toBe('up\nup\n')
})

test('restart: none leaves it as it is, and exits with 42', async () => {
  await configure('restart', 'none')
  await given(SERVER)
  const pid = await property('MainPID')
  await push(SERVER)
  await subscriber.telec('telec-watch')
  expect((await subscriber.telec('telec-update', { allowFailure: true })).code).toBe(42)
  expect(await property('MainPID')).toBe(pid)
})
