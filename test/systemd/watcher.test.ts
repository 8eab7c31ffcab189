import { describe, expect, onTestFinished, test } from 'vitest'
import { giveToWeb } from '../helpers/owned.ts'
import { type Subscriber, subscribe } from '../helpers/subscriber.ts'

/** Started by the wrong one it leaves a file behind. */
const PLANTED = `[Service]
Type=oneshot
ExecStart=/usr/bin/touch /srv/planted
`

/** What a watcher would do that somebody has taken over: everything by which root's name alone is enough. */
const TAKEN_OVER = `[Service]
ExecStart=
ExecStart=-/bin/systemctl --no-ask-password start planted.service
ExecStart=-/bin/busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartUnit ss planted.service replace
ExecStart=-/bin/sh -c 'cat /etc/shadow >/var/lib/telec/shadow'
ExecStart=-/bin/sh -c 'touch /etc/planted /root/planted /usr/local/bin/planted'
ExecStart=/bin/sh -c 'echo tried >/var/lib/telec/tried'
`

async function takenOver(): Promise<Subscriber> {
  const subscriber = await subscribe('system', { poll_every: '1h' })
  onTestFinished(() => subscriber.dispose())
  return subscriber
}

describe.each([
  ['of root', async () => undefined],
  ['of another user', giveToWeb],
] as const)('the watcher of a checkout %s', (_, prepare) => {
  test('has no way to what root may, although it is called root', async () => {
    const subscriber = await takenOver()
    await prepare(subscriber)
    await subscriber.telec('telec install')
    const units = '/etc/systemd/system'
    await subscriber.sh(`cat >${units}/planted.service; mkdir -p ${units}/telec-watch.service.d`, {
      input: PLANTED,
    })
    await subscriber.sh(`cat >${units}/telec-watch.service.d/zz.conf; systemctl daemon-reload`, {
      input: TAKEN_OVER,
    })
    await subscriber.sh('systemctl start telec-watch.service')
    expect((await subscriber.sh('cat /var/lib/telec/tried')).stdout).toBe('tried\n')
    expect((await subscriber.sh('cat /var/lib/telec/shadow')).stdout).toBe('')
    const planted = 'find /srv /etc /root /usr/local/bin -maxdepth 1 -name planted'
    expect((await subscriber.sh(planted)).stdout).toBe('')
    expect(
      await subscriber.systemctl('show planted.service --property=ExecMainStartTimestampMonotonic --value'),
    ).toBe('0')
  })
})
