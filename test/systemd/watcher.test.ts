import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { giveToWeb, WEB } from '../helpers/owned.ts'
import { startRedis } from '../helpers/redis.ts'
import { type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

const UNITS = '/etc/systemd/system'
const LOOKOUT = 'telec-watch'

/** Started by the wrong one it leaves a file behind. */
const PLANTED = `[Service]
Type=oneshot
ExecStart=/usr/bin/touch /srv/planted
`

/** What somebody would do who has taken the program over: all by which a name alone may be enough, and what is secret. */
const takenOver = (home: string) => `[Service]
ExecStart=
ExecStart=-/bin/systemctl --no-ask-password start planted.service
ExecStart=-/bin/busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartUnit ss planted.service replace
ExecStart=-/bin/sh -c 'cat /etc/shadow >${home}/shadow'
ExecStart=-/bin/sh -c 'touch /etc/planted /root/planted /usr/local/bin/planted'
ExecStart=/bin/sh -c 'id -un >${home}/who'
`

/** Has the unit do that instead of its work; the name under which it ran. */
async function takeOver({ sh, systemctl }: Subscriber, unit: string, home: string): Promise<string> {
  await sh(`cat >${UNITS}/planted.service; mkdir -p ${UNITS}/${unit}.d`, { input: PLANTED })
  await sh(`cat >${UNITS}/${unit}.d/zz.conf; systemctl daemon-reload`, { input: takenOver(home) })
  await sh(`systemctl start ${unit}`)
  expect((await sh(`cat ${home}/shadow`)).stdout).toBe('')
  expect((await sh('find /srv /etc /root /usr/local/bin -maxdepth 1 -name planted')).stdout).toBe('')
  expect(await systemctl('show planted.service --property=ExecMainStartTimestampMonotonic --value')).toBe('0')
  return (await sh(`cat ${home}/who`)).stdout.trim()
}

describe.each([
  ['of root', async () => undefined],
  ['of another user', giveToWeb],
] as const)('a system-wide telec, and a checkout %s', (_, prepare) => {
  let subscriber: Subscriber
  const sh = async (script: string) => (await subscriber.sh(script)).stdout.trim()

  beforeAll(async () => {
    subscriber = await subscribe('system', { healthy_after: '0s' })
    await prepare(subscriber)
    await subscriber.telec('telec install')
  })
  afterAll(() => subscriber?.dispose())

  test('the watcher is a user of its own, who looks by itself, and has root poll where there is something new', async () => {
    const told = () =>
      sh(`journalctl --quiet --output=cat -t telec-watch | grep -c 'polled: current' || true`)
    const toldAtInstall = await told()
    const commit = await subscriber.push(version('1.1.0'))
    await subscriber.deployed(commit)
    const polls = () =>
      sh(`journalctl --quiet --output=cat -u telec-poll.service | grep -c ^Finished || true`)
    await until('root to have seen that this is all', async () => (await told()) !== toldAtInstall)
    const before = await polls()
    await subscriber.polledAgain()
    await subscriber.polledAgain()
    expect(await polls()).toBe(before)
    expect(await subscriber.systemctl('show telec-watch.service --property=User --value')).toBe(LOOKOUT)
    expect(await sh('stat --format="%U %G %a" /run/telec/brief.json')).toBe(`root ${LOOKOUT} 640`)
    const { stdout } = await subscriber.telec('telec doctor', { allowFailure: true })
    expect(stdout.split('\n').filter((line) => line.startsWith('✗'))).toEqual([])
    expect(stdout).toMatch(/^✓ polling +\d+ s ago, next in \d+ s$/m)
  })

  test('a change of the configuration is noticed at once', async () => {
    await sh(`git clone --quiet ${subscriber.remote} ~/work && cd ~/work
git -c user.name=Ada -c user.email=ada@example.org commit --quiet --allow-empty -m next && git push --quiet origin HEAD:next`)
    await sh("sed -i 's/# branch: main/branch: next/' /etc/telec/config.yml")
    await subscriber.deployed(await sh('git -C ~/work rev-parse HEAD'))
  })

  test('root looks once an hour, also where nobody asks for it', async () => {
    const { stdout } = await subscriber.sh(
      'systemctl show telec-poll.timer --property=ActiveState,TimersMonotonic --value',
    )
    expect(stdout).toMatch(/OnUnitInactiveUSec=1h/)
    expect(stdout).toMatch(/^active$/m)
    expect(await subscriber.systemctl('show telec-poll.timer --property=Triggers --value')).toBe(
      'telec-poll.service',
    )
  })

  test('the watcher has no way to what root or the owner may', async () => {
    await subscriber.systemctl('stop telec-watch.timer')
    expect(await takeOver(subscriber, 'telec-watch.service', `/var/lib/${LOOKOUT}`)).toBe(LOOKOUT)
    const asWatcher = (script: string) =>
      sh(`setpriv --reuid=${LOOKOUT} --regid=${LOOKOUT} --init-groups sh -c '${script}' 2>&1 || true`)
    for (const path of ['/etc/telec/config.yml', '/var/lib/telec/update_state.json'])
      expect(await asWatcher(`cat ${path}`)).toContain('Permission denied')
    expect(await asWatcher('echo {} >/run/telec/brief.json')).toMatch(/Permission denied|cannot create/)
  })

  test('whoever polls has none either, although it is called root', async () => {
    await subscriber.systemctl('stop telec-poll.path')
    expect(await takeOver(subscriber, 'telec-poll.service', '/var/lib/telec')).toBe('root')
  })
})

describe('a watcher that cannot ask the remote by itself, or is not to be believed', () => {
  let subscriber: Subscriber
  const sh = async (script: string) => (await subscriber.sh(script)).stdout.trim()
  const asWeb = async (script: string) => (await subscriber.box.sh(script, { user: WEB.name })).stdout.trim()
  const commitAndPush = () =>
    asWeb(`cd ~/work && git -c user.name=Web -c user.email=web@example.org commit --quiet --allow-empty -m change
git push --quiet origin HEAD:main && git rev-parse HEAD`)

  beforeAll(async () => {
    subscriber = await subscribe('system', { healthy_after: '0s' })
    await giveToWeb(subscriber)
    // In the owner's home, which nobody else can enter.
    await asWeb(`git clone --quiet --bare ~/app ~/remote.git && git clone --quiet ~/remote.git ~/work
git -C ~/app remote set-url origin ~/remote.git`)
    await subscriber.telec('telec install')
  })
  afterAll(() => subscriber?.dispose())

  test('has root poll in its place, once a minute, and telec doctor says so', async () => {
    await subscriber.deployed(await commitAndPush())
    await until('it to be spared the asking', async () =>
      (await sh('cat /run/telec/brief.json')).includes('"blind_until":"'),
    )
    const said = await sh('journalctl --quiet --output=cat -t telec-watch')
    expect(said).toContain('telec-watch cannot ask the remote, and has root do it: ')
    await subscriber.deployed(await commitAndPush())
    const { stdout } = await subscriber.telec('telec doctor', { allowFailure: true })
    expect(stdout).toContain('root polls, since the user telec-watch cannot read the remote')
  })

  test('whatever it leaves behind, root does nothing but poll', async () => {
    const state = () => sh('find /etc/passwd /srv -printf "%p %s %T@\\n"; ls /var/lib/telec')
    const before = await state()
    await sh(`setpriv --reuid=${LOOKOUT} --regid=${LOOKOUT} --init-groups sh -ec '
cd /var/lib/${LOOKOUT} && rm -f nudge looked blind
ln -s /etc/passwd nudge && mkfifo blind && touch -d "next year" looked
echo "{" >listen.json'`)
    const commit = await commitAndPush()
    await sh('systemctl start telec-poll.service')
    await subscriber.deployed(commit)
    await until('the signal to be gone', async () => (await state()) === before)
    const { stdout } = await subscriber.telec('telec status')
    expect(stdout).toMatch(/^last poll +\d+ s ago$/m)
  })
})

test('the listener is that user, too, and gets by on what it is told', async () => {
  const redis = await startRedis({ requirepass: 'opensesame' })
  const subscriber = await subscribe('system', { poll_every: '1h', healthy_after: '0s' })
  onTestFinished(() => subscriber.dispose())
  const sh = async (script: string) => (await subscriber.sh(script)).stdout.trim()
  await sh(`install -m 600 /dev/stdin /etc/telec/redis-password <<<opensesame
printf 'redis:\\n  url: ${redis.url}\\n  password_file: /etc/telec/redis-password\\n' >>/etc/telec/config.yml`)
  await subscriber.telec('telec install')
  await until('it to listen', async () =>
    (await sh('journalctl --quiet --output=cat -t telec-listen')).includes('listening for announcements'),
  )
  expect(await sh('ps --no-headers -o user:20 -C node')).toContain(LOOKOUT)
  const commit = await subscriber.push(version('1.1.0'))
  await subscriber.telec('telec notify')
  await subscriber.deployed(commit)
  expect(await sh(`ls -l /var/lib/${LOOKOUT}/listen.json`)).toContain(LOOKOUT)
  expect(
    await sh('grep -rl opensesame /var/lib/telec /var/lib/telec-watch /var/log /etc/systemd || true'),
  ).toBe('')

  await subscriber.telec('telec uninstall')
  expect(
    await sh(`getent passwd ${LOOKOUT} || ls -d /run/telec /var/lib/${LOOKOUT} 2>/dev/null || true`),
  ).toBe('')
})
