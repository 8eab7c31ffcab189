import { afterAll, beforeAll, expect, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { SERVER, type Subscriber, subscribe } from '../helpers/subscriber.ts'

let subscriber: Subscriber

/** A service that runs commands from its pipe, inside its own unit, and prints their exit codes. */
const OBEDIENT = `${SERVER}const { spawn, execSync } = require('node:child_process')
execSync('test -p ~/orders || mkfifo ~/orders')
spawn('/bin/bash', ['-c', 'while true; do bash -c "$(cat ~/orders)" >>~/said 2>&1; echo "exit $?" >>~/said; done'])
`

beforeAll(async () => {
  subscriber = await subscribe('user', { healthy_after: '0s' })
  await subscriber.telec('telec install')
  await subscriber.deployed(await subscriber.push({ ...version('1.1.0'), 'server.js': OBEDIENT }))
  await subscriber.systemctl('stop telec-watch.timer telec-update.path telec-update.timer')
})
afterAll(() => subscriber?.dispose())

const order = (command: string) => subscriber.sh(`cat >~/orders`, { input: command })
const said = async () => (await subscriber.sh('cat ~/said')).stdout

test('telec-update from inside the service hands over to its unit, which outlives the restart', async () => {
  const commit = await subscriber.push({ ...version('1.2.0'), 'server.js': OBEDIENT })
  await subscriber.telec('telec-watch')
  await order(`${subscriber.bin}/telec-update`)
  await subscriber.deployed(commit)
  expect(await said()).toMatch(/handed over to telec-update\.service.*\n(.*\n)*fetch: /)
  const { stdout } = await subscriber.sh('journalctl --user --quiet --output=cat -t telec-update')
  expect(stdout).toMatch(/^updated: 1\.2\.0 is deployed/m)
})

test('the flags are handed over, and the exit code comes back', async () => {
  await subscriber.sh('>~/said; echo mine >>~/app/server.js')
  const commit = await subscriber.push({ ...version('1.3.0'), 'server.js': `${OBEDIENT}// more\n` })
  await subscriber.telec('telec-watch')
  await order(`${subscriber.bin}/telec-update`)
  await subscriber.halted(commit)
  await subscriber.sh('until grep -q ^exit ~/said; do sleep 0.1; done')
  expect(await said()).toMatch(/would overwrite 1 local file[\s\S]*\nexit 1\n$/)
  await order(`${subscriber.bin}/telec-update --stash`)
  await subscriber.deployed(commit)
  const { last } = (await subscriber.state('update_state.json')) as { last: { permits: string[] } }
  expect(last.permits).toEqual(['stash'])
  expect((await subscriber.sh('ls ~/.teleclaude')).stdout).not.toContain('update_request')
})

test('a rollback is handed over, too, and told where it was asked for', async () => {
  const before = (await subscriber.state('update_state.json')) as { previous: { commit: string }[] }
  await subscriber.sh('>~/said')
  await order(`${subscriber.bin}/telec-update rollback`)
  await subscriber.deployed(before.previous.at(-1)?.commit ?? '')
  expect(await said()).toMatch(
    /handed over to telec-update\.service.*\n(.*\n)*rolling back from 1\.3\.0 .* to 1\.2\.0 /,
  )
  const { rolled_back } = (await subscriber.state('update_state.json')) as {
    rolled_back: { targets: object[] }
  }
  expect(rolled_back.targets).toMatchObject([{ version: '1.3.0' }])
  expect((await subscriber.sh('ls ~/.teleclaude')).stdout).not.toContain('update_request')
})

test('where the unit has begun already it is followed to its end', async () => {
  await subscriber.push({
    ...version('1.4.0'),
    'server.js': OBEDIENT,
    'migrations/v1.4.0/001_fails.mjs': `import { existsSync, writeFileSync } from 'node:fs'
export const check = () => false
export async function migrate() {
  writeFileSync(process.env.HOME + '/started', '')
  while (!existsSync(process.env.HOME + '/go-on')) await new Promise((resolve) => setTimeout(resolve, 50))
  return false
}
`,
  })
  await subscriber.sh('>~/said')
  await subscriber.telec('telec-watch')
  await subscriber.systemctl('start --no-block telec-update.service')
  await subscriber.sh('until test -e ~/started; do sleep 0.1; done')
  await order(`${subscriber.bin}/telec-update`)
  await subscriber.sh('until grep -q "handed over" ~/said; do sleep 0.1; done; touch ~/go-on')
  await subscriber.sh('until grep -q ^exit ~/said; do sleep 0.1; done')
  expect(await said()).toMatch(
    /migration 1\.4\.0\/001_fails\.mjs failed[\s\S]*halted since .* at migrate[\s\S]*\nexit 1\n$/,
  )
})
