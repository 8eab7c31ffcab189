import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Scope, SERVICE, type Subscriber, subscribe } from '../helpers/subscriber.ts'

const SCOPES: Scope[] = ['user', 'system']
const UNITS = { user: '~/.config/systemd/user', system: '/etc/systemd/system' }

describe.each(SCOPES)('telec doctor on a real systemd, %s scope', (scope) => {
  let subscriber: Subscriber
  const doctor = async (args = '') => subscriber.telec(`telec doctor ${args}`, { allowFailure: true })
  const wrong = async () => (await doctor()).stdout.split('\n').filter((line) => !line.startsWith('✓'))

  beforeAll(async () => {
    subscriber = await subscribe(scope)
  })
  afterAll(() => subscriber?.dispose())

  test('says that nothing starts telec before it is installed, and that all is well after', async () => {
    expect((await wrong()).join('\n')).toContain('nothing starts telec on this computer')
    await subscriber.telec('telec install')
    await subscriber.polledAgain()
    const { code, stdout } = await doctor()
    expect({ code, stdout }).toMatchObject({ code: 0 })
    expect(stdout).toMatch(/^✓ manager {3}systemd \d+.* answers/m)
    expect(stdout).toMatch(/^✓ polling {3}\d+ s ago, next in \d+ s$/m)
    expect(stdout).toMatch(
      new RegExp(
        `^✓ service {3}${SERVICE} is running, pid \\d+, restarts after exit code 42 \\(systemd\\)$`,
        'm',
      ),
    )
  })

  if (scope === 'user')
    test('a system-wide telec beside it, of which a user may read nothing, is none of its business', async () => {
      await subscriber.box.sh('mkdir -m 0750 /run/telec && touch /run/telec/brief.json')
      await subscriber.box.sh('mkdir /var/lib/telec-watch && touch /var/lib/telec-watch/looked')
      const { code, stdout } = await doctor()
      expect({ code, stdout }).toMatchObject({ code: 0 })
    })

  test('a unit that was edited or stopped', async () => {
    await subscriber.sh(`echo '# mine' >>${UNITS[scope]}/telec-watch.timer`)
    await subscriber.systemctl('stop telec-update.path')
    const said = (await wrong()).join('\n')
    expect(said).toContain('✗ units     the units differ from what telec install would write')
    expect(said).toMatch(/telec-watch\.timer is missing, or differs/)
    expect(said).toMatch(/is-active --quiet telec-update\.path fails/)
    await subscriber.telec('telec install')
    expect((await doctor()).code).toBe(0)
  })

  test('a Node.js that was removed', async () => {
    await subscriber.sh(
      `sed -i 's,^ExecStart=[^ ]*,ExecStart=/opt/nvm/v18/bin/node,' ${UNITS[scope]}/telec-update.service`,
    )
    expect((await wrong()).join('\n')).toMatch(
      /telec-update\.service starts \/opt\/nvm\/v18\/bin\/node, which does not exist/,
    )
    await subscriber.telec('telec install')
    expect((await doctor()).code).toBe(0)
  })

  test('a service that failed, or was removed', async () => {
    await subscriber.systemctl(`kill --signal=KILL ${SERVICE}`)
    await subscriber.sh(
      `for n in $(seq 20); do systemctl --${scope} kill --signal=KILL ${SERVICE} 2>/dev/null || true; systemctl --${scope} is-failed --quiet ${SERVICE} && break; sleep 0.2; done`,
    )
    expect((await wrong()).join('\n')).toContain(`${SERVICE} has failed`)
    await subscriber.systemctl(`reset-failed ${SERVICE}`)
    await subscriber.systemctl(`start ${SERVICE}`)
    expect((await doctor()).code).toBe(0)
  })

  test('a service that is stopped, or disabled', async () => {
    await subscriber.systemctl(`stop ${SERVICE}`)
    expect((await wrong()).join('\n')).toContain(`${SERVICE} is stopped (systemd)`)
    await subscriber.systemctl(`start ${SERVICE}`)
    await subscriber.systemctl(`disable ${SERVICE}`)
    expect((await wrong()).join('\n')).toContain(`${SERVICE} is disabled: it does not start at boot`)
    await subscriber.systemctl(`enable ${SERVICE}`)
    expect((await doctor()).code).toBe(0)
  })

  test("a service's own unit that does not come back after 42, or changed since systemd read it", async () => {
    const more = `${UNITS[scope]}/${SERVICE}.d/zz.conf`
    await subscriber.sh(`cat >${more}`, { input: '[Service]\nRestartForceExitStatus=\nRestart=no\n' })
    expect((await wrong()).join('\n')).toContain(`${SERVICE} has changed on the disk since systemd read it`)
    await subscriber.systemctl('daemon-reload')
    const said = (await wrong()).join('\n')
    expect(said).toContain(`systemd does not restart ${SERVICE} after exit code 42`)
    expect(said).toContain(
      'Restart=no RestartForceExitStatus= RestartPreventExitStatus= SuccessExitStatus=42',
    )
    await subscriber.sh(`rm ${more}`)
    await subscriber.systemctl('daemon-reload')
    expect((await doctor()).code).toBe(0)
  })

  if (scope === 'user')
    test('a user who does not linger', async () => {
      await subscriber.box.sh('rm /var/lib/systemd/linger/ada')
      expect((await wrong()).join('\n')).toContain('sudo loginctl enable-linger ada')
      await subscriber.box.sh('touch /var/lib/systemd/linger/ada')
    })

  test('--restart-contract sees a unit that exits with 42 come back, and leaves nothing of it', async () => {
    const { code, stdout } = await doctor('--restart-contract')
    expect({ code, stdout }).toMatchObject({ code: 0 })
    expect(stdout).toMatch(
      /^✓ contract {2}a unit that exited with code 42 restarted as pid \d+ after \d\.\d s \(systemd\)$/m,
    )
    expect(await subscriber.systemctl('list-units --all --plain --no-legend "telec-contract*"')).toBe('')
  })

  test('the service can tell that it is supervised', async () => {
    const pid = await subscriber.systemctl(`show ${SERVICE} --property=MainPID --value`)
    await subscriber.systemctl(`restart ${SERVICE}`)
    const now = await subscriber.systemctl(`show ${SERVICE} --property=MainPID --value`)
    expect(now).not.toBe(pid)
    expect((await subscriber.sh(`tr '\\0' '\\n' </proc/${now}/environ`)).stdout).toContain(
      'TELEC_SUPERVISED=1\n',
    )
  })
})
