import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { SERVICE, type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

/** Where git is found by the shell of a user, and not by units. */
const TOOLS = '/opt/tools/bin'
const FAILS = 'telec-watch.service fails: exit code 1'

test('a home that is mounted after the manager of its user has started: telec doctor says how to continue', async () => {
  const subscriber = await subscribe('user')
  onTestFinished(() => subscriber.dispose())
  await subscriber.telec('telec install')
  await subscriber.box.sh(`manager=user@$(id -u ada).service
systemctl stop $manager; mv /home/ada/.config /opt/config
systemctl start $manager; mv /opt/config /home/ada/.config`)
  const doctor = () => subscriber.telec('telec doctor --json', { allowFailure: true })
  const findings = JSON.parse((await doctor()).stdout) as {
    check: string
    message: string
    hint: string | null
  }[]
  const units = findings.find(({ check }) => check === 'units')
  expect(units?.message).toBe('the units did not start with the user manager')
  await subscriber.sh(units?.hint?.split(';')[0] ?? 'false')
  for (const unit of ['telec-watch.timer', 'telec-update.path', SERVICE])
    expect(await subscriber.systemctl(`is-active ${unit}`)).toBe('active')
  expect((await doctor()).code).toBe(0)
})

describe('a watcher that fails, on a real systemd', () => {
  let subscriber: Subscriber
  const telec = (args: string) =>
    subscriber.sh(`PATH=${TOOLS}:$PATH ${subscriber.bin}/telec ${args}`, { allowFailure: true })
  const moveGit = (from: string, to: string) => subscriber.box.sh(`mkdir -p ${to}; mv ${from}/git ${to}/git`)

  beforeAll(async () => {
    subscriber = await subscribe('user')
  })
  afterAll(() => subscriber?.dispose())

  test('telec install sees its first poll fail, and says where programs were searched', async () => {
    await moveGit('/usr/bin', TOOLS)
    const { code, stderr } = await telec('install')
    expect({ code, stderr }).toMatchObject({ code: 1 })
    expect(stderr).toContain(`the units are installed, and ${FAILS}`)
    expect(stderr).toMatch(/cannot start git\n.*\n.*deployment\.path; PATH=\S*\/usr\/bin:/)
  })

  test('telec status, telec doctor and the metrics say so, and that there was no poll', async () => {
    const status = (await telec('status')).stdout
    expect(status).toContain(`last poll  never; ${FAILS}\n`)
    expect(status).toMatch(
      new RegExp(`^failed {5}${FAILS}\\n(.*\\n)*? +telec-watch: cannot start git\\n`, 'm'),
    )
    const metrics = (await telec('metrics')).stdout
    expect(metrics).toContain('\ntelec_units_failed 1\n')
    expect(metrics).toContain('\ntelec_unit_failed_info{unit="telec-watch.service",result="exit code 1"} 1\n')
    await until('two intervals to pass', async () =>
      /^✗ polling {3}no poll yet, \d+ s after telec install$/m.test((await telec('doctor')).stdout),
    )
    expect((await telec('doctor')).stdout).toContain(`✗ runs      ${FAILS}\n`)
  })

  test('deployment.path has the units find it', async () => {
    await subscriber.sh(`sed -i 's|# path: [^ ]*|path: [${TOOLS}]|' ~/.teleclaude/config.yml`)
    expect(await telec('install')).toMatchObject({ code: 0 })
    expect(await telec('doctor')).toMatchObject({ code: 0 })
    expect(JSON.parse((await telec('status --json')).stdout)).toMatchObject({ failed_units: [] })
  })

  test('one that fails after it worked is seen, too', async () => {
    await moveGit(TOOLS, '/opt/elsewhere')
    await until('a poll to fail', async () => (await telec('status')).stdout.includes(FAILS))
    await moveGit('/opt/elsewhere', '/usr/bin')
    await until('a poll to end well', async () => !(await telec('status')).stdout.includes(FAILS))
  })

  test('the end of its log is told in the order of its last run, however often it failed', async () => {
    await subscriber.sh('rm -f ~/.teleclaude/quiet') // with it Node.js is not started
    await subscriber.systemctl('set-environment NODE_OPTIONS="--require /gone.cjs"')
    for (let run = 0; run < 5; run += 1) await subscriber.systemctl('start telec-watch.service')
    const { failed_units } = JSON.parse((await telec('status --json')).stdout) as {
      failed_units: { lines: string[] }[]
    }
    const lines = failed_units[0]?.lines ?? []
    expect(lines.at(-1)).toMatch(/^Node\.js v/)
    expect(lines).toContain("Error: Cannot find module '/gone.cjs'")
    await subscriber.systemctl('unset-environment NODE_OPTIONS')
  })
})
