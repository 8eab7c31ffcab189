import { afterAll, beforeAll, expect, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { SERVER, SERVICE, type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

let subscriber: Subscriber
let number = 0

/** Runs commands from its pipe, inside its own unit; each version has its own pipe, which shows that it is up. */
const obedient = () => `${SERVER}const { spawn, execSync } = require('node:child_process')
execSync('rm -f ~/orders-${number}; mkfifo ~/orders-${number}')
spawn('/bin/bash', ['-c', 'bash -c "$(cat ~/orders-${number})" >>~/said 2>&1'])
`

beforeAll(async () => {
  subscriber = await subscribe('user', { healthy_after: '0s' })
  await subscriber.systemctl(`disable --now ${SERVICE}`)
  await push()
  // Up to date before `telec install` polls: its units would update at the same time as the test.
  await subscriber.telec('telec-watch')
  await subscriber.telec('telec-update')
})
afterAll(() => subscriber?.dispose())

function push(): Promise<string> {
  number += 1
  return subscriber.push({ ...version(`1.1.${number}`), 'server.js': obedient() })
}

test.each([
  ['a name with a dot that is no type', 'my.app', 'my.app.service', 'my.app.service', ''],
  [
    'an instance whose name ends in a domain',
    'app@example.com',
    'app@.service',
    'app@example.com.service',
    '',
  ],
  ['an alias', 'alias.service', 'real.service', 'real.service', 'Alias=alias.service'],
])(
  '%s has the 42 contract, is restarted from outside, and hands over from inside',
  async (_, name, file, unit, more) => {
    const text = [
      '[Unit]\nStartLimitIntervalSec=0',
      `[Service]\nWorkingDirectory=%h/app\nExecStart=${process.execPath} server.js\nRestart=no`,
      `[Install]\nWantedBy=default.target\n${more}\n`,
    ].join('\n')
    await subscriber.sh(
      `cat >~/.config/systemd/user/${file}; systemctl --user enable --now --quiet ${unit}`,
      { input: text },
    )
    await subscriber.sh(`sed -i 's/^  name: .*/  name: ${name}/' ~/.teleclaude/config.yml`)
    await subscriber.telec('telec install')
    await subscriber.systemctl('stop telec-watch.timer telec-update.path telec-update.timer')
    const property = (key: string) => subscriber.systemctl(`show ${unit} --property=${key} --value`)
    expect(await property('RestartForceExitStatus')).toBe('42')

    const outside = await push()
    await subscriber.telec('telec-watch')
    await subscriber.telec('telec-update')
    await subscriber.deployed(outside)
    const { last } = (await subscriber.state('update_state.json')) as {
      last: { steps: { name: string; note: string }[] }
    }
    expect(last.steps.find((step) => step.name === 'restart')?.note).toMatch(
      /^old pid \d+ exited( \(exit code 42\))?, new pid \d+$/, // a slow computer does not see it without a process
    )

    const inside = await push()
    await subscriber.telec('telec-watch')
    await subscriber.sh(
      `>~/said; until test -p ~/orders-${number - 1}; do sleep 0.05; done; cat >~/orders-${number - 1}`,
      {
        input: `${subscriber.bin}/telec-update`,
      },
    )
    await subscriber.deployed(inside)
    expect((await subscriber.sh('cat ~/said')).stdout).toMatch(/handed over to telec-update\.service/)
    const isLogged = new RegExp(`web 1\\.1\\.${number}$`, 'm')
    await until('its log', async () => isLogged.test((await subscriber.telec('telec logs')).stdout))
    const update = 'show telec-update.service --property=ActiveState --value'
    await until('the update to end', async () => (await subscriber.systemctl(update)) === 'inactive')
    await subscriber.systemctl(`disable --now ${unit}`)
  },
)
