import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { type Scope, SERVICE, type Subscriber, subscribe } from '../helpers/subscriber.ts'

const SCOPES: Scope[] = ['user', 'system']
const UNITS = { user: '~/.config/systemd/user', system: '/etc/systemd/system' }
const NAMES = ['SET', 'FILED', 'BOTH', 'MANAGER', 'SHELL_ONLY']

/** Writes what it finds beside the checkout, by its own version. */
const migration = (number: string) => ({
  ...version(number),
  [`migrations/v${number}/001_env.mjs`]: `import { existsSync, writeFileSync } from 'node:fs'
const file = process.env.HOME + '/${number}.json'
export const check = () => existsSync(file)
export const migrate = () => { writeFileSync(file, JSON.stringify(${JSON.stringify(NAMES)}.map((name) => process.env[name] ?? null))); return true }
`,
})

describe.each(SCOPES)('migrations on a real systemd, %s scope', (scope) => {
  let subscriber: Subscriber
  const found = async (number: string) => JSON.parse((await subscriber.sh(`cat ~/${number}.json`)).stdout)
  /** By hand, in a shell that has a variable of its own. */
  const update = () =>
    subscriber.sh(`export SHELL_ONLY=1; ${subscriber.bin}/telec-watch && ${subscriber.bin}/telec-update`, {
      allowFailure: true,
    })

  beforeAll(async () => {
    subscriber = await subscribe(scope, { healthy_after: '0s', environment: 'true' })
    await subscriber.sh(`mkdir -p ${UNITS[scope]}/${SERVICE}.d
printf '[Service]\\nEnvironment="SET=two words" BOTH=set\\nEnvironmentFile=%%h/web.env\\nEnvironmentFile=-%%h/none.env\\n' >${UNITS[scope]}/${SERVICE}.d/env.conf
printf 'FILED="a \\\\"b\\\\""\\nBOTH=filed\\n' >~/web.env
systemctl --${scope} daemon-reload`)
    await subscriber.systemctl('set-environment MANAGER=yes')
    await subscriber.telec('telec install')
    await subscriber.systemctl('stop telec-watch.timer telec-update.path')
  })
  afterAll(() => subscriber?.dispose())

  test('find what the unit sets, what the manager gives to all units, and nothing of the shell', async () => {
    await subscriber.push(migration('1.1.0'))
    expect(await update()).toMatchObject({ code: 0 })
    expect(await found('1.1.0')).toEqual(['two words', 'a "b"', 'filed', 'yes', null])
  })

  test('are not run where a file was removed that the unit names', async () => {
    await subscriber.sh('rm ~/web.env')
    const commit = await subscriber.push(migration('1.2.0'))
    expect((await update()).stderr).toMatch(
      /EnvironmentFile= of web\.service names \S+\/web\.env, which does not exist/,
    )
    expect(await subscriber.state('update_state.json')).toMatchObject({
      halted: { step: 'migrate', target: { commit } },
    })
  })

  test('find none of it without service.environment', async () => {
    await subscriber.sh('touch ~/web.env') // without it the service itself does not start
    const { user, system } = { user: '~/.teleclaude/config.yml', system: '/etc/telec/config.yml' }
    await subscriber.sh(
      `sed -i 's/environment: true/environment: false/' ${scope === 'user' ? user : system}`,
    )
    await subscriber.push(migration('1.3.0'))
    expect(await update()).toMatchObject({ code: 0 })
    expect(await found('1.3.0')).toEqual([null, null, null, 'yes', null])
  })
})
