import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { giveToWeb, WEB } from '../helpers/owned.ts'
import { startRedis } from '../helpers/redis.ts'
import { SERVER, SERVICE, type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

const UNITS = '/etc/systemd/system'
const HOME = '/var/lib/telec'

/** Started by the wrong one it leaves a file behind. */
const PLANTED = `[Service]
Type=oneshot
ExecStart=/usr/bin/touch /srv/planted
`

/** The acts of an attacker in the watcher: rights that its user has and it has not, and secrets. */
const TAKEN_OVER = `[Service]
ExecStart=
ExecStart=-/bin/systemctl --no-ask-password start planted.service
ExecStart=-/bin/busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartUnit ss planted.service replace
ExecStart=-/bin/sh -c 'cat /etc/shadow >${HOME}/shadow'
ExecStart=-/bin/sh -c 'touch ${WEB.checkout}/planted; touch ${WEB.home}/planted; touch /etc/planted /root/planted'
ExecStart=/bin/sh -c 'id -un >${HOME}/who'
`

describe.each([
  ['of root', 'root', async () => undefined],
  ['of another user', WEB.name, giveToWeb],
] as const)('the watcher of a system-wide telec, and a checkout %s', (_, user, prepare) => {
  let subscriber: Subscriber
  const sh = async (script: string) => (await subscriber.sh(script)).stdout.trim()

  beforeAll(async () => {
    subscriber = await subscribe('system', { healthy_after: '0s' })
    await prepare(subscriber)
  })
  afterAll(() => subscriber?.dispose())

  test('install says whose code root would run, and so does doctor', async () => {
    const warning = 'the checkout belongs to root, and so root runs each push'
    const { stderr } = await subscriber.telec('telec install')
    expect(stderr.includes(warning)).toBe(user === 'root')
    const { stdout } = await subscriber.telec('telec doctor', { allowFailure: true })
    expect(stdout.includes(warning)).toBe(user === 'root')
    expect(stdout.split('\n').filter((line) => line.startsWith('✗'))).toEqual([])
    expect(stdout).toMatch(/^✓ polling +\d+ s ago, next in \d+ s$/m)
  })

  test('most of its polls are answered by a shell', async () => {
    await subscriber.deployed(await subscriber.push(version('1.1.0')))
    const quiet = async () => (await sh(`test -e ${HOME}/quiet && echo there || true`)) === 'there'
    await until('a poll that found nothing', quiet)
    const lastPoll = () => sh(`stat --format=%.Y ${HOME}/watch_state.json`)
    const kept = await sh(`stat --format=%.Y ${HOME}/quiet`)
    const before = await lastPoll()
    await until('another poll', async () => (await lastPoll()) !== before)
    expect(await sh(`stat --format=%.Y ${HOME}/quiet`)).toBe(kept)
  })

  test('a change of the configuration is noticed by the next one', async () => {
    await sh(`git clone --quiet ${subscriber.remote} ~/work && cd ~/work
git -c user.name=Ada -c user.email=ada@example.org commit --quiet --allow-empty -m next && git push --quiet origin HEAD:next`)
    await sh("sed -i 's/# branch: main/branch: next/' /etc/telec/config.yml")
    await subscriber.deployed(await sh('git -C ~/work rev-parse HEAD'))
  })

  test('it may not do what its user may, and is no way to anything else', async () => {
    await subscriber.systemctl('stop telec-watch.timer')
    await sh(`cat >${UNITS}/planted.service <<'UNIT'\n${PLANTED}UNIT\nmkdir -p ${UNITS}/telec-watch.service.d
cat >${UNITS}/telec-watch.service.d/zz.conf <<'UNIT'\n${TAKEN_OVER}UNIT\nsystemctl daemon-reload && systemctl start telec-watch.service`)
    expect(await sh(`cat ${HOME}/shadow; cat ${HOME}/who`)).toBe(user)
    expect(await sh('find /srv /etc /root /home -name planted 2>/dev/null || true')).toBe('')
    expect(
      await subscriber.systemctl('show planted.service --property=ExecMainStartTimestampMonotonic --value'),
    ).toBe('0')
  })
})

test('the listener runs as the owner, too, with a password that root has given to that user', async () => {
  const redis = await startRedis({ requirepass: 'opensesame' })
  const subscriber = await subscribe('system', { poll_every: '1h', healthy_after: '0s' })
  onTestFinished(() => subscriber.dispose())
  await giveToWeb(subscriber)
  const sh = async (script: string) => (await subscriber.sh(script)).stdout.trim()
  await sh(`install -m 640 -g ${WEB.name} /dev/stdin /etc/telec/redis-password <<<opensesame
printf 'redis:\\n  url: ${redis.url}\\n  password_file: /etc/telec/redis-password\\n' >>/etc/telec/config.yml`)
  await subscriber.telec('telec install')
  await until('it to listen', async () =>
    (await sh('journalctl --quiet --output=cat -t telec-listen')).includes('listening for announcements'),
  )
  expect(await subscriber.systemctl('show telec-listen.service --property=User --value')).toBe(WEB.name)
  const commit = await subscriber.push(version('1.1.0'))
  await subscriber.telec('telec notify')
  await subscriber.deployed(commit)
  expect(await sh(`stat --format=%U ${HOME}/listen.json`)).toBe(WEB.name)
  expect(await sh(`grep -rl opensesame ${HOME} /var/log /etc/systemd || true`)).toBe('')
})

describe('a service that runs as another user than the owner of the checkout', () => {
  let subscriber: Subscriber
  const sh = async (script: string) => (await subscriber.sh(script)).stdout.trim()
  const pid = () => subscriber.systemctl(`show ${SERVICE} --property=MainPID --value`)

  beforeAll(async () => {
    subscriber = await subscribe('system', { healthy_after: '1s' })
    await giveToWeb(subscriber)
    await sh(`chmod -R go+rX ${WEB.home}
cat >${UNITS}/${SERVICE} <<'UNIT'
[Unit]
StartLimitBurst=5
StartLimitIntervalSec=20s
[Service]
User=nobody
WorkingDirectory=${WEB.checkout}
ExecStart=${process.execPath} server.js
Restart=on-failure
UNIT
systemctl daemon-reload; systemctl restart ${SERVICE}`)
    await subscriber.telec('telec install')
  })
  afterAll(() => subscriber?.dispose())

  test('is restarted by a unit of root, whose command is all that it does', async () => {
    const before = await pid()
    await subscriber.deployed(await subscriber.push(version('1.1.0')))
    expect(await pid()).not.toBe(before)
    const unit = await subscriber.systemctl('cat telec-restart.service')
    expect(unit.match(/^Exec\w+=.*$/gm)).toEqual([
      `ExecStartPre=-systemctl reset-failed ${SERVICE}`,
      `ExecStart=systemctl restart --no-block ${SERVICE}`,
    ])
    const { stdout } = await subscriber.telec('telec status')
    expect(stdout).toMatch(/restart: old pid \d+ exited.*, new pid \d+/)
  })

  test('that failed, also for good, is started by the push that fixes it', async () => {
    const broken = await subscriber.push({ ...version('1.2.0'), 'server.js': 'process.exit(1)\n' })
    await subscriber.halted(broken)
    await until(
      'its start limit',
      async () => (await subscriber.systemctl(`is-active ${SERVICE}`)) === 'failed',
    )
    const mended = await subscriber.push({
      ...version('1.3.0'),
      'server.js': 'setInterval(() => {}, 60000)\n',
    })
    await subscriber.deployed(mended)
    expect(await subscriber.systemctl(`is-active ${SERVICE}`)).toBe('active')
  })

  test('that failed is started once, and the update waits for that', async () => {
    const restarts = async () =>
      Number(await sh('journalctl --quiet --output=cat -u telec-restart.service | grep -c ^Finished'))
    await sh(`systemctl kill --signal=KILL ${SERVICE}; systemctl stop ${SERVICE}
printf '[Service]\nRestart=no\n' >/run/no.conf
install -D /run/no.conf /run/systemd/system/${SERVICE}.d/no.conf; systemctl daemon-reload
systemctl start ${SERVICE}; systemctl kill --signal=KILL ${SERVICE}`)
    await until('it to fail', async () => (await subscriber.systemctl(`is-active ${SERVICE}`)) === 'failed')
    const before = await restarts()
    await subscriber.deployed(await subscriber.push(version('1.3.1')))
    expect(await restarts()).toBe(before + 1)
    await sh(`rm -r /run/systemd/system/${SERVICE}.d; systemctl daemon-reload`)
  })

  test('an update that was killed while root restarts it continues with that restart', async () => {
    const begun = async () =>
      Number(await sh('journalctl --quiet --output=cat -t telec-update | grep -c "^restart: begins" || true'))
    await sh(`printf "[Service]\nExecStartPre=/bin/sh -c 'until [ -e /run/go-on ]; do sleep 0.1; done'\n" |
install -D /dev/stdin /run/systemd/system/telec-restart.service.d/slow.conf; systemctl daemon-reload`)
    const before = await begun()
    const commit = await subscriber.push(version('1.3.2'))
    await until(
      "root's unit to run",
      async () => (await subscriber.systemctl('is-active telec-restart.service')) === 'activating',
    )
    await sh('systemctl kill --signal=KILL telec-update.service; systemctl start telec-update.service')
    await until('the next one to be there', async () => (await begun()) === before + 2)
    await sh('touch /run/go-on')
    await subscriber.deployed(commit)
    await sh('rm -r /run/systemd/system/telec-restart.service.d; systemctl daemon-reload')
  })

  test.each([
    ['stopped', 'systemctl stop telec-restart.path', 'telec-restart.path is inactive', 'true'],
    [
      'masked',
      `mv ${UNITS}/telec-restart.service /root && ln -s /dev/null ${UNITS}/telec-restart.service`,
      'telec-restart.service is masked',
      `mv /root/telec-restart.service ${UNITS}`,
    ],
  ])("halts where root's units are %s, and says what to type", async (what, spoil, because, mend) => {
    await sh(`${spoil}; systemctl daemon-reload`)
    const before = await pid()
    await subscriber.halted(await subscriber.push(version(`1.3.3-${what}`)))
    const { stdout } = await subscriber.telec('telec status')
    expect(stdout).toContain(`root's units do not restart ${SERVICE}\n             ${because}\n`)
    const [, start] =
      /what to do: .*: sudo (systemctl restart \S+)\. Then: telec-update --retry\n/.exec(stdout) ?? []
    expect(await pid()).toBe(before)
    await sh(`${mend}; systemctl daemon-reload; ${start}`)
    await subscriber.telec('telec-update --retry')
    expect(await pid()).not.toBe(before)
  })

  test('several units are restarted in turn, by a unit of root each', async () => {
    await sh(`sed 's/server.js/server.js worker/' ${UNITS}/${SERVICE} >${UNITS}/worker.service
systemctl daemon-reload && systemctl start worker.service
sed -i 's/name: ${SERVICE}/name: [${SERVICE}, worker.service]/' /etc/telec/config.yml`)
    await subscriber.telec('telec install')
    const worker = () => subscriber.systemctl('show worker.service --property=MainPID --value')
    const before = [await pid(), await worker()]
    await subscriber.deployed(await subscriber.push({ ...version('1.4.0'), 'server.js': SERVER }))
    expect(before).not.toContain(await pid())
    expect(before).not.toContain(await worker())
    expect(await subscriber.systemctl('cat telec-restart-2.service')).toContain(
      'restart --no-block worker.service',
    )
  })

  test('telec uninstall takes that unit away, too', async () => {
    await subscriber.telec('telec uninstall')
    expect(await sh(`ls ${UNITS} | grep telec || true`)).toBe('')
    expect(await subscriber.systemctl('list-units --all --plain --no-legend "telec*"')).toBe('')
  })
})
