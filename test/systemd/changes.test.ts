import { afterAll, beforeAll, expect, test } from 'vitest'
import { markerMigration, version } from '../helpers/computer.ts'
import { type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

// What docs/operating.md answers under "Questions" about reboots, absence, moves and names.

let subscriber: Subscriber

beforeAll(async () => {
  subscriber = await subscribe('user', { healthy_after: '1s' })
  await subscriber.telec('telec install')
})

afterAll(() => subscriber?.dispose())

const status = async () => (await subscriber.telec('telec status')).stdout
const doctor = async () => (await subscriber.telec('telec doctor', { allowFailure: true })).stdout

test('after a reboot a halted computer starts the code on the disk, and telec status says which', async () => {
  const good = await subscriber.sh('cat ~/app/server.js')
  const broken = await subscriber.push({ ...version('1.1.0'), 'server.js': "throw new Error('broken')\n" })
  await subscriber.halted(broken)
  await subscriber.box.cut()
  await subscriber.box.boot()
  await until('the service to fail again', async () => /web\.service is failed/.test(await status()))
  expect(await status()).toMatch(
    new RegExp(`^deployed +1\\.0\\.0 [\\s\\S]*^ +checkout: at ${broken.slice(0, 12)}, the target$`, 'm'),
  )
  await subscriber.deployed(await subscriber.push({ ...version('1.2.0'), 'server.js': good.stdout }))
})

test('a computer that was off takes the newest version soon after its boot, with the migrations of all between', async () => {
  await subscriber.box.cut()
  const files = ['1.3.0/001_a.mjs', '1.4.0/001_b.mjs', '1.10.0/001_c.mjs']
  const commits: string[] = []
  for (const [number = '', file = ''] of files.map((one) => one.split('/')))
    commits.push(await subscriber.push({ ...version(number), ...markerMigration(number, file) }))
  await subscriber.box.boot()
  await subscriber.deployed(commits.at(-1) ?? '')
  expect(await subscriber.state('migration_state.json')).toMatchObject({ applied: files })
  const { stdout } = await subscriber.telec('telec history --json')
  const last = (JSON.parse(stdout) as { from: object; target: object }[]).at(-1)
  expect(last).toMatchObject({ from: { version: '1.2.0' }, target: { version: '1.10.0' } })
})

test('a checkout that moved needs its new path in the unit and in the configuration', async () => {
  await subscriber.sh('mkdir ~/apps && mv ~/app ~/apps/web')
  expect(await status()).toContain('which is not a folder')
  await subscriber.sh(`sed -i 's,/app$,/apps/web,' ~/.config/systemd/user/web.service
sed -i 's,checkout: .*,checkout: ~/apps/web,' ~/.teleclaude/config.yml
systemctl --user daemon-reload
systemctl --user restart web.service`)
  await subscriber.telec('telec install')
  expect(await doctor()).not.toContain('✗')
  await subscriber.deployed(await subscriber.push(version('1.11.0')))
})

test('a new host name is the name of the computer at once', async () => {
  await subscriber.box.sh('hostname attic')
  expect(await status()).toMatch(/^computer +attic$/m)
  expect(await doctor()).not.toContain('✗')
})
