import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { markerMigration, version } from '../helpers/computer.ts'
import { type Scope, SERVICE, type Subscriber, subscribe } from '../helpers/subscriber.ts'

const SCOPES: Scope[] = ['user', 'system']

describe.each(SCOPES)('a computer with a real systemd, %s scope', (scope) => {
  let subscriber: Subscriber
  const property = async (unit: string, name: string) =>
    subscriber.systemctl(`show ${unit} --property=${name} --value`)
  const journal = async (unit: string) =>
    (
      await subscriber.sh(
        `journalctl --${scope} --quiet --output=cat ${scope === 'user' ? '--user-unit' : '--unit'}=${unit}`,
      )
    ).stdout

  beforeAll(async () => {
    subscriber = await subscribe(scope, { healthy_after: '1s' })
  })
  afterAll(() => subscriber?.dispose())

  test('telec install starts the polling, and a second one changes nothing', async () => {
    const { stdout } = await subscriber.telec('telec install')
    expect(stdout).toContain('telec-watch.timer')
    expect(await property('telec-watch.timer', 'ActiveState')).toBe('active')
    expect(await property('telec-update.path', 'ActiveState')).toBe('active')
    expect((await subscriber.telec('telec install')).stdout).not.toContain('wrote')
  })

  test('a push reaches the running service automatically', async () => {
    const pid = await property(SERVICE, 'MainPID')
    const restarts = Number(await property(SERVICE, 'NRestarts'))
    const commit = await subscriber.push({
      ...version('1.1.0'),
      ...markerMigration('1.1.0', '001_marker.ts'),
    })
    await subscriber.deployed(commit)

    expect(await property(SERVICE, 'ActiveState')).toBe('active')
    expect(await property(SERVICE, 'MainPID')).not.toBe(pid)
    expect(Number(await property(SERVICE, 'NRestarts'))).toBe(restarts + 1)
    expect((await subscriber.sh('cat ~/exits')).stdout).toBe('42\n')
    expect(await journal(SERVICE)).toMatch(/web 1\.0\.0[\s\S]*web 1\.1\.0/)
    expect(await journal('telec-update.service')).toMatch(
      new RegExp(`restart: old pid ${pid} exited \\(exit code 42\\), new pid \\d+`),
    )
    expect(await subscriber.state('status.json')).toMatchObject({
      status: 'updated',
      version: '1.1.0',
      commit,
    })
    expect(await subscriber.state('migration_state.json')).toMatchObject({ applied: ['1.1.0/001_marker.ts'] })
  })

  test('systemctl status shows the purpose of each unit and its result', async () => {
    for (const unit of [
      'telec-watch.timer',
      'telec-watch.service',
      'telec-update.path',
      'telec-update.service',
    ]) {
      const status = await subscriber.systemctl(`status ${unit}`)
      expect(status).toMatch(new RegExp(`${unit} - telec: .*${SERVICE}`))
      expect(status).not.toMatch(/failed|not-found|bad-setting/)
    }
    expect(await subscriber.systemctl('list-units --failed --plain --no-legend')).toBe('')
  })

  test('telec status tells the whole of it', async () => {
    const { stdout } = await subscriber.telec('telec status')
    expect(stdout).toMatch(/deployed +1\.1\.0/)
    expect(stdout).toMatch(/next poll +in \d+ s/)
    expect(stdout).toMatch(/service +web\.service is running, pid \d+ \(systemd\)/)
  })

  test('a failing migration halts in one attempt, and the service continues', async () => {
    const pid = await property(SERVICE, 'MainPID')
    const commit = await subscriber.push({
      ...version('1.2.0'),
      'migrations/v1.2.0/001_fails.mjs':
        'export const check = () => false\nexport const migrate = () => false\n',
    })
    await subscriber.halted(commit)
    await subscriber.polledAgain()
    const { halted } = await subscriber.state('update_state.json')
    expect(halted).toMatchObject({ step: 'migrate', migration: '1.2.0/001_fails.mjs', attempts: 1 })
    expect(await property(SERVICE, 'MainPID')).toBe(pid)
    expect((await journal('telec-update.service')).match(/is not|failed:|migration .* failed/g)).toHaveLength(
      1,
    )
    const mended = await subscriber.push({ ...version('1.2.1'), 'migrations/v1.2.0/001_fails.mjs': null })
    await subscriber.deployed(mended)
  })

  test('after a power cut it polls on, and deploys the commit that was pushed meanwhile', async () => {
    await subscriber.box.cut()
    const commit = await subscriber.push(version('1.3.0'))
    await subscriber.box.boot()
    await subscriber.deployed(commit)
    expect(await journal(SERVICE)).toContain('web 1.3.0')
  })

  test('telec uninstall leaves nothing of its own, and the service running', async () => {
    const pid = await property(SERVICE, 'MainPID')
    await subscriber.telec('telec uninstall')
    expect(await subscriber.systemctl('list-unit-files --plain --no-legend "telec*"')).toBe('')
    expect(await subscriber.systemctl(`cat ${SERVICE}`)).not.toContain('42')
    expect(await property(SERVICE, 'MainPID')).toBe(pid)
  })
})
