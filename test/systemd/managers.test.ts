import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Finished } from '../helpers/box.ts'
import { version } from '../helpers/computer.ts'
import { SERVER, SERVICE, type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

let subscriber: Subscriber
let number = 0

beforeAll(async () => {
  subscriber = await subscribe('user', { healthy_after: '300ms' })
  await subscriber.telec('telec install')
  await subscriber.systemctl('stop telec-watch.timer telec-update.path telec-update.timer')
})
afterAll(() => subscriber?.dispose())

const configure = (key: string, value: string) =>
  subscriber.sh(`sed -i 's,^  \\(# \\)\\?${key}: .*,  ${key}: ${value},' ~/.teleclaude/config.yml`)

interface Journal {
  readonly steps: readonly { readonly name: string; readonly note: string | null }[]
}
interface State {
  readonly deployed: { readonly commit: string }
  readonly last: Journal | null
  readonly halted: { readonly step: string; readonly error: string; readonly transient: boolean } | null
}
const state = async () => (await subscriber.state('update_state.json')) as unknown as State

/** Resolves once the log of the update under way says so. */
const logged = (pattern: string) =>
  until(
    pattern,
    async () => (await subscriber.sh(`grep '${pattern}' ~/log`, { allowFailure: true })).code === 0,
  )

async function push(files: Readonly<Record<string, string>> = {}): Promise<string> {
  number += 1
  const commit = await subscriber.push({
    ...version(`1.1.${number}`),
    'server.js': `${SERVER}// ${number}\n`,
    ...files,
  })
  await subscriber.telec('telec-watch')
  await subscriber.sh('rm -f ~/log')
  return commit
}

/** An update to its end. */
async function run(
  flags = '',
  env: Readonly<Record<string, string>> = {},
): Promise<Finished & { note(step: string): string; halted: State['halted'] }> {
  const ended = await subscriber.telec(`telec-update ${flags} 2> >(tee ~/log >&2)`, {
    allowFailure: true,
    env,
  })
  const { last, halted } = await state()
  return { ...ended, halted, note: (step) => last?.steps.find(({ name }) => name === step)?.note ?? '' }
}

beforeEach(() => subscriber.systemctl(`restart ${SERVICE}`))

/** Takes the sockets by which a manager is asked out of reach, and brings them back. */
const AWAY = 'cd $XDG_RUNTIME_DIR; mv systemd/private hidden-private; mv bus hidden-bus'
const BACK = 'cd $XDG_RUNTIME_DIR; mv hidden-private systemd/private; mv hidden-bus bus'

test('a manager that does not answer while confirm looks is asked again', async () => {
  await configure('healthy_after', '3s')
  const commit = await push()
  const updating = run()
  await logged('^restart: ')
  await subscriber.sh(AWAY)
  const asks = () => subscriber.sh('pgrep -u ada systemctl', { allowFailure: true })
  await until('a question without an answer', async () => (await asks()).code === 0)
  await subscriber.sh(BACK)
  const { code, stderr } = await updating
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect((await state()).deployed.commit).toBe(commit)
  await configure('healthy_after', '300ms')
})

test('a user manager that is restarted while confirm looks, and the service with it, halts nothing', async () => {
  await configure('healthy_after', '3s')
  const commit = await push()
  const updating = run()
  await logged('^restart: ')
  const pid = await subscriber.systemctl(`show ${SERVICE} --property=MainPID --value`)
  await subscriber.box.sh('systemctl restart user@$(id -u ada)')
  const { code, stderr, note } = await updating
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stderr).toContain('systemd does not answer: asking again')
  expect(note('confirm')).not.toContain(`pid ${pid} `)
  expect((await state()).deployed.commit).toBe(commit)
  await subscriber.systemctl('stop telec-watch.timer telec-update.path telec-update.timer')
  await configure('healthy_after', '300ms')
})

test('one that does not answer until the deadline is a reason to try again later', async () => {
  await subscriber.sh("sed -i 's/^service:/service:\\n  stop_timeout: 1s/' ~/.teleclaude/config.yml")
  const commit = await push({ 'hold.sh': 'echo held; until test -e ~/go; do sleep 0.05; done\n' })
  await subscriber.sh("sed -i 's/^deployment:/deployment:\\n  install: sh hold.sh/' ~/.teleclaude/config.yml")
  const updating = run()
  await logged('held')
  await subscriber.sh(AWAY)
  await subscriber.sh('touch ~/go')
  const { code, halted } = await updating
  await subscriber.sh(BACK)
  expect(code).toBe(75)
  expect(halted).toMatchObject({ step: 'restart', transient: true })
  await subscriber.sh("sed -i '/stop_timeout: 1s/d; /hold.sh/d' ~/.teleclaude/config.yml")
  expect(await run('--retry')).toMatchObject({ code: 0 })
  expect((await state()).deployed.commit).toBe(commit)
})

test('a unit of the checkout that an update changes is read anew before the service leaves', async () => {
  const unit = (server: string) =>
    `[Service]\nWorkingDirectory=%h/app\nExecStart=${process.execPath} ${server}\nRestart=on-failure\n`
  const units = '~/.config/systemd/user'
  await push({ 'deploy/web.service': unit('server.js') })
  await run()
  await subscriber.sh(`mv ${units}/${SERVICE} ~/kept; systemctl --user link ~/app/deploy/${SERVICE}`)
  await subscriber.systemctl(`restart ${SERVICE}`)
  await push({ 'deploy/web.service': unit('server.js moved'), 'more.txt': 'more\n' })
  const { code, stderr, note } = await run()
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stderr).toContain(`${SERVICE} has changed on the disk: systemd read it anew`)
  expect(note('restart')).toMatch(/left with exit code 42, new pid \d+$/)
  const pid = await subscriber.systemctl(`show ${SERVICE} --property=MainPID --value`)
  expect((await subscriber.sh(`tr '\\0' ' ' </proc/${pid}/cmdline`)).stdout).toContain('server.js moved')
  await subscriber.sh(`rm ${units}/${SERVICE}; mv ~/kept ${units}/${SERVICE}; systemctl --user daemon-reload`)
})

test('where that is not allowed, the commands are named, and the update goes on', async () => {
  await subscriber.sh(
    `touch ~/.config/systemd/user/${SERVICE}; mkdir -p ~/bin; cat >~/bin/systemctl; chmod +x ~/bin/systemctl`,
    {
      input:
        '#!/bin/sh\ncase "$*" in *daemon-reload*) echo "Access denied" >&2; exit 4;; esac\nexec /usr/bin/systemctl "$@"\n',
    },
  )
  await push()
  const { code, stderr } = await run('', { PATH: '/home/ada/bin:/usr/bin:/bin' })
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stderr).toContain(`sudo systemctl daemon-reload; sudo systemctl restart ${SERVICE}`)
  await subscriber.sh('rm ~/bin/systemctl; systemctl --user daemon-reload')
})
