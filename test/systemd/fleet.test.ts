import { chmodSync, cpSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Box, bootBox } from '../helpers/box.ts'
import { type Computer, makeComputer, version } from '../helpers/computer.ts'
import { type GitServer, serveGit } from '../helpers/git-server.ts'
import { DIST } from '../helpers/programs.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { SERVER } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

const SIZE = 8
/** Everybody's network; this computer is the first on it. */
const HOST = '10.77.9.1'

let person: Computer
let server: GitServer
let redis: RedisServer
let boxes: Box[] = []

/** Eight computers with addresses of their own, one git server, one Redis. */
async function startFleet(): Promise<void> {
  person = await makeComputer({ init: false })
  onTestFinished(() => person.dispose())
  chmodSync(person.folder, 0o755)
  cpSync(DIST, join(person.folder, 'bin'), { recursive: true })
  await person.push({ ...version('1.0.0'), 'server.js': SERVER })
  server = await serveGit(person.folder, HOST)
  onTestFinished(() => server.close())
  redis = await startRedis({ bind: '0.0.0.0', 'protected-mode': 'no' })
  for (let index = 0; index < SIZE; index += 1) {
    const box = await bootBox({ bind: [person.folder], net: `10.77.9.${index + 2}/24` })
    boxes = [...boxes, box]
    onTestFinished(() => box.down())
  }
  await Promise.all(boxes.map((box, index) => setUp(box, `computer-${index}`)))
}

async function setUp(box: Box, name: string): Promise<void> {
  await box.sh(`cp -r ${person.folder}/bin /opt/telec
git clone --quiet ${server.url('remote.git')} ~/app
cat >/etc/systemd/system/web.service <<UNIT
[Service]
WorkingDirectory=/root/app
ExecStart=${process.execPath} server.js
Restart=on-failure
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable --now --quiet web.service
/opt/telec/telec init --system --computer ${name} --checkout ~/app --service web.service
sed -i 's/# poll_every: 60s/poll_every: 20s/; s/# healthy_after: 5s/healthy_after: 0s/' /etc/telec/config.yml
sed -i "s,# install: make install *#,install: echo + >>${person.folder}/log; sleep 1; echo - >>${person.folder}/log #," /etc/telec/config.yml
printf 'redis:\\n  url: redis://${HOST}:${redis.port}\\nfleet:\\n  max_updating: 2\\n' >>/etc/telec/config.yml
/opt/telec/telec install`)
}

/** Resolves when the service runs this version on every computer; how long each took since `startedMs`, in seconds. */
async function allRun(number: string, startedMs: number): Promise<number[]> {
  return Promise.all(
    boxes.map(async (box) => {
      await until(`web ${number} to run`, async () =>
        (await box.sh('journalctl --quiet --output=cat --unit=web.service')).stdout.includes(
          `web ${number}\n`,
        ),
      )
      return (performance.now() - startedMs) / 1000
    }),
  )
}

test('eight computers run a push that is announced, two at a time; and without Redis by their timers', async () => {
  await startFleet()
  await until(
    'all to listen',
    async () => Number(await redis.client().zcard('system_status:computers')) === SIZE,
  )
  await person.push({ ...version('1.1.0'), 'server.js': SERVER })
  const startedMs = performance.now()
  await boxes[0]?.sh('/opt/telec/telec notify')
  const seconds = (await allRun('1.1.0', startedMs)).toSorted((a, b) => a - b)
  process.stdout.write(
    `announced, two at a time: ${seconds.map((one) => one.toFixed(1)).join(' ')} s after the push\n`,
  )

  let [now, most] = [0, 0]
  const log = (await boxes[0]?.sh(`cat ${person.folder}/log`))?.stdout.trim().split('\n') ?? []
  for (const sign of log) {
    now += sign === '+' ? 1 : -1
    most = Math.max(most, now)
  }
  expect(most).toBe(2)
  expect(log).toHaveLength(2 * SIZE)
  await until('all to have reported', async () => {
    const stdout = (await boxes[0]?.sh('/opt/telec/telec status --fleet'))?.stdout ?? ''
    return stdout.includes(`${SIZE} computers: ${SIZE} × 1.1.0`)
  })

  await redis.kill()
  await person.push({ ...version('1.2.0'), 'server.js': SERVER })
  const alone = await allRun('1.2.0', performance.now())
  process.stdout.write(
    `without Redis, polling every 20 s: ${alone.map((one) => one.toFixed(1)).join(' ')} s after the push\n`,
  )
}, 240_000)
