import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { type Scope, SERVER, SERVICE, type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

/**
 * Where the power is cut: while this step is under way. What it runs says so by a file `~/at-STEP`, and waits for a file
 * that comes only after the boot.
 */
const STEPS = ['fetch', 'migrate', 'install', 'restart', 'confirm'] as const
const CASES: [Scope, (typeof STEPS)[number]][] = [
  ...STEPS.map((step): [Scope, (typeof STEPS)[number]] => ['user', step]),
  ['system', 'migrate'],
  ['system', 'confirm'],
]

/** Waits for `~/go-on` when it is to be slow, and leaves one line, once. */
const migration = (name: string) => `import { appendFileSync, existsSync, writeFileSync } from 'node:fs'
const home = process.env.HOME
const marker = home + '/${name}'
export const check = () => existsSync(marker)
export async function migrate() {
  writeFileSync(home + '/at-migrate', '')
  while (existsSync(home + '/slow-migrate') && !existsSync(home + '/go-on')) await new Promise((resolve) => setTimeout(resolve, 50))
  appendFileSync(marker, 'ran\\n')
  return true
}
`

/** Takes its time to leave when it is to be slow. */
const SLOW = SERVER.replace(
  'process.exit(42)',
  `{
  const { existsSync, writeFileSync } = require('node:fs')
  const is = (name) => existsSync(process.env.HOME + '/' + name)
  writeFileSync(process.env.HOME + '/at-restart', '')
  setInterval(() => (is('slow-restart') && !is('go-on')) || process.exit(42), 50)
}`,
)

describe.each(['user', 'system'] as const)('a power cut, %s scope', (scope) => {
  let subscriber: Subscriber
  let number = 0

  beforeAll(async () => {
    subscriber = await subscribe(scope, { healthy_after: '0s' })
    await subscriber.box.sh(`cat >/usr/local/bin/git <<'GIT'
#!/bin/sh
case " $* " in *' fetch '*) : >~/at-fetch; while [ -e ~/slow-fetch ] && ! [ -e ~/go-on ]; do sleep 0.05; done ;; esac
exec /usr/bin/git "$@"
GIT
chmod +x /usr/local/bin/git`)
    await subscriber.sh(
      `slow() {
  printf '#!/bin/sh\\n: >~/at-%s\\nwhile [ -e ~/slow-%s ] && ! [ -e ~/go-on ]; do sleep 0.05; done\\n' $1 $1
}
slow install >~/install.sh
slow confirm >~/health.sh
chmod +x ~/install.sh ~/health.sh`,
    )
    const config = scope === 'user' ? '~/.teleclaude/config.yml' : '/etc/telec/config.yml'
    await subscriber.sh(
      `sed -i "s,# install: make install *#,install: $HOME/install.sh #,; s,# health: [^#]*#,health: $HOME/health.sh #,; s,# path: [^#]*,path: [/usr/local/bin] # ," ${config}`,
    )
    await subscriber.telec('telec install')
  })
  afterAll(() => subscriber?.dispose())

  const begun = async (commit: string) => {
    await subscriber.systemctl('start telec-watch.service') // no need to wait for its timer
    await until('the update to begin', async () => {
      const { update } = (await subscriber.state('update_state.json')) as {
        update: { target: { commit: string } } | null
      }
      return update?.target.commit === commit
    })
  }
  const underWay = (step: string) =>
    until(`${step} to be under way`, async () => {
      const { code } = await subscriber.sh(`test -e ~/at-${step}`, { allowFailure: true })
      return code === 0
    })

  test.each(CASES.filter(([of]) => of === scope))('%s: in %s', async (_, step) => {
    number += 1
    await subscriber.sh('rm -f ~/go-on ~/slow-*')
    const name = `00${number}_${step}`
    const code = step === 'restart' ? SLOW : SERVER
    // The code that is asked to leave is the one that runs: the slow one has to be there first.
    if (step === 'restart')
      await subscriber.deployed(await subscriber.push({ ...version(`1.${number}.0`), 'server.js': code }))
    await subscriber.sh(`rm -f ~/at-*; touch ~/slow-${step}`)
    const commit = await subscriber.push({
      ...version(`1.${number}.1`),
      'server.js': `${code}// ${number}\n`,
      [`migrations/v1.${number}.1/${name}.mjs`]: migration(name),
    })
    await begun(commit)
    await underWay(step)
    await subscriber.box.cut()
    await subscriber.box.boot()
    await subscriber.sh('touch ~/go-on')
    await subscriber.deployed(commit)
    expect((await subscriber.sh(`cat ~/${name}`)).stdout).toBe('ran\n')
    expect(await subscriber.systemctl(`is-active ${SERVICE}`)).toBe('active')
    const { stdout } = await subscriber.sh(
      `journalctl --quiet --output=cat ${scope === 'user' ? '--user --user-unit' : '--unit'}=${SERVICE} | tail -1`,
    )
    expect(stdout).toBe(`web 1.${number}.1\n`)
    expect((await subscriber.telec('telec status')).stdout).not.toContain('halted')
  })

  test('a push during an update is applied after it', async () => {
    await subscriber.sh('rm -f ~/go-on ~/slow-* ~/at-*; touch ~/slow-install')
    await begun(await subscriber.push(version('2.0.0')))
    await underWay('install')
    const second = await subscriber.push(version('2.0.1'))
    await subscriber.polledAgain()
    await subscriber.sh('touch ~/go-on')
    await subscriber.deployed(second)
    expect(await subscriber.systemctl(`is-active ${SERVICE}`)).toBe('active')
  })
})
