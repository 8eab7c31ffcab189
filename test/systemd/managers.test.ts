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
  // Not only stopped: a user manager that is restarted would start them.
  await subscriber.systemctl('disable --now telec-watch.timer telec-update.path telec-update.timer')
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
  await logged('telec asks again')
  await subscriber.sh(BACK)
  const { code, stderr } = await updating
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect((await state()).deployed.commit).toBe(commit)
  await configure('healthy_after', '300ms')
})

/** Stands between telec and systemctl: holds each look of confirm but the first while ~/hold is there. */
const HOLDING = `#!/bin/sh
if grep -q '^restart: ' ~/log; then echo >>~/looks; fi
if test -e ~/hold && test "$(wc -l <~/looks)" -gt 1; then
  touch ~/held
  while test -e ~/hold; do sleep 0.05; done
fi
exec /usr/bin/systemctl "$@"
`

test.each([
  [
    'a manager that was restarted as a whole between two looks of confirm is no fault of the service',
    async () => void (await subscriber.box.sh('systemctl restart user@$(id -u ada)')),
    null,
  ],
  [
    'one that was only executed anew does not excuse a service that crashed meanwhile',
    () => subscriber.systemctl(`daemon-reexec; systemctl --user kill --signal=SIGKILL ${SERVICE}`),
    `${SERVICE} did not stay up after the update`,
  ],
])('%s', async (_, disturb, error) => {
  await configure('healthy_after', '3s')
  await subscriber.sh(
    'mkdir -p ~/bin; rm -f ~/held; touch ~/hold; : >~/looks; cat >~/bin/systemctl; chmod +x ~/bin/systemctl',
    { input: HOLDING },
  )
  const pid = () => subscriber.systemctl(`show ${SERVICE} --property=MainPID --value`)
  await push()
  const updating = run('', { PATH: '/home/ada/bin:/usr/bin:/bin' })
  await until(
    'a look',
    async () => (await subscriber.sh('test -e ~/held', { allowFailure: true })).code === 0,
  )
  const old = await pid()
  await disturb()
  await until('another process', async () => ![old, '0', ''].includes(await pid()))
  await subscriber.sh('rm ~/hold')
  const { code, stderr, halted } = await updating
  expect({ code, error: halted?.error ?? null, stderr }).toMatchObject({ code: error ? 1 : 0, error })
  await subscriber.sh('rm ~/bin/systemctl')
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

test('a unit of the checkout that an update changes is read again before the service leaves', async () => {
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
  expect(stderr).toContain(`${SERVICE} has changed on the disk: systemd reloaded it`)
  expect(note('restart')).toMatch(/exited( \(exit code 42\))?, new pid \d+$/)
  const pid = await subscriber.systemctl(`show ${SERVICE} --property=MainPID --value`)
  expect((await subscriber.sh(`tr '\\0' ' ' </proc/${pid}/cmdline`)).stdout).toContain('server.js moved')
  await subscriber.sh(`rm ${units}/${SERVICE}; mv ~/kept ${units}/${SERVICE}; systemctl --user daemon-reload`)
})

test('where that is not allowed, the commands are named, and the update continues', async () => {
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

const migration = (migrate: string) =>
  `#!/bin/sh\ncase $1 in check) test -e ~/m;; migrate) ${migrate};; esac\n`

test('a service that a migration stopped is started again, also where the migration then failed and another one fixes it', async () => {
  await subscriber.sh('rm -f ~/m')
  const next = `migrations/v1.1.${number + 1}/001_x.sh`
  await push({ [next]: migration(`systemctl --user stop ${SERVICE}; exit 1`) })
  expect(await run()).toMatchObject({ code: 1 })
  expect(await subscriber.systemctl(`show ${SERVICE} --property=ActiveState --value`)).toBe('inactive')
  await push({ [next]: migration('touch ~/m') }) // the same file, mended
  const mended = await run()
  expect(mended).toMatchObject({ code: 0 })
  expect(mended.note('restart')).toMatch(/^web\.service was not running; systemd started it, new pid \d+$/)
  expect(mended.note('confirm')).toMatch(/^pid \d+ is up/)
})

test('a target: its services are checked, health is asked, and one whose services failed is restarted', async () => {
  const units = '~/.config/systemd/user'
  const member = `[Unit]\nPartOf=all.target\n[Service]\nWorkingDirectory=%h/app\nExecStart=${process.execPath} server.js\nRestart=on-failure\n`
  await subscriber.sh(
    `printf '[Unit]\\nWants=w1.service w2.service\\n' >${units}/all.target; cat >${units}/w1.service; cp ${units}/w1.service ${units}/w2.service`,
    { input: member },
  )
  await subscriber.systemctl('daemon-reload')
  await subscriber.systemctl('start all.target')
  await configure('name', 'all.target')
  await configure('restart', 'manager')
  await configure('health', '"echo asked >>~/health"')
  await configure('healthy_after', '1m') // they crash before that, however slow the computer is

  await push({ 'server.js': 'process.exit(3)\n' })
  const crashed = await run()
  expect(crashed).toMatchObject({ code: 1, halted: { step: 'confirm' } })
  expect(crashed.halted?.error).toMatch(/^w[12]\.service did not stay up after the update$/)
  const failed = async (unit: string) => (await subscriber.systemctl(`is-active ${unit}`)) === 'failed'
  await until('both to have failed', async () => (await failed('w1.service')) && (await failed('w2.service')))
  expect((await subscriber.sh('ls ~')).stdout).not.toContain('health')

  await subscriber.sh(`sed -i 's/ExecStart=.*/ExecStart=\\/bin\\/sleep infinity/' ${units}/w?.service`)
  await configure('healthy_after', '300ms')
  const mended = await run('--retry')
  expect(mended).toMatchObject({ code: 0 })
  expect(mended.note('restart')).toBe('all.target has no main process: systemd restarted it')
  expect(mended.note('confirm')).toBe('all.target, w1.service, w2.service are up for 0.3 s, and healthy')
  expect((await subscriber.sh('cat ~/health')).stdout).toBe('asked\n')
  await subscriber.systemctl('stop all.target w1.service w2.service')
})

test('a oneshot that remains active: health is asked after its restart', async () => {
  await subscriber.sh(
    'cat >~/.config/systemd/user/once.service; systemctl --user daemon-reload; systemctl --user start once; rm ~/health',
    {
      input: '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n',
    },
  )
  await configure('name', 'once.service')
  await push()
  const { code, note } = await run()
  expect({ code, restart: note('restart'), confirm: note('confirm') }).toEqual({
    code: 0,
    restart: 'once.service has no main process: systemd restarted it',
    confirm: 'once.service is up for 0.3 s, and healthy',
  })
  expect((await subscriber.sh('cat ~/health')).stdout).toBe('asked\n')
})
