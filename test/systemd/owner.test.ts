import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { giveToWeb, sayingMigrations, WEB, whoSaid } from '../helpers/owned.ts'
import { programsOf, whoRan } from '../helpers/road.ts'
import { SERVICE, type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

/** Waits for `~/go-on`, in the home of whoever runs it. */
const WAITING = `import { existsSync, writeFileSync } from 'node:fs'
export const check = () => existsSync('waited')
export async function migrate() {
  writeFileSync(process.env.HOME + '/started', '')
  while (!existsSync(process.env.HOME + '/go-on')) await new Promise((resolve) => setTimeout(resolve, 50))
  writeFileSync('waited', '')
  return true
}
`

const TIMERS = 'telec-watch.timer telec-poll.path telec-poll.timer telec-update.path telec-update.timer'

/** Puts the update to what is signalled into the journal, as one whose fetch was killed. */
const KILLED_IN_FETCH = `
const fs = require('node:fs')
const file = '/var/lib/telec/update_state.json'
const { channel, target } = JSON.parse(fs.readFileSync('/var/lib/telec/update_signal.json'))
const { at, ...from } = JSON.parse(fs.readFileSync(file)).deployed
const steps = [{ name: 'fetch', began_at: at, ended_at: null, note: null }]
const update = { channel, from, target, started_at: at, attempts: 1, steps, left_at: null, service: null }
fs.writeFileSync(file, JSON.stringify({ deployed: { ...from, at }, update, last: null, halted: null }))
`

describe('a system-wide telec, and a checkout that belongs to another user', () => {
  let subscriber: Subscriber
  const sh = async (script: string) => (await subscriber.sh(script)).stdout.trim()
  const asWeb = (script: string) => subscriber.box.sh(script, { user: WEB.name })
  const allIsWebs = async () => {
    expect(await sh(`find ${WEB.home} ! -user ${WEB.name}`)).toBe('')
    expect(await sh('find /var/lib/telec ! -user root')).toBe('')
    expect(await sh('find /tmp -maxdepth 1 -name "telec-gnupg-*"')).toBe('')
  }

  beforeAll(async () => {
    subscriber = await subscribe('system', { healthy_after: '0s' })
    await giveToWeb(subscriber)
    await subscriber.telec('telec install')
  })
  afterAll(() => subscriber?.dispose())

  test('a push runs, and all that is of the checkout runs as its owner, with their groups and home', async () => {
    const commit = await subscriber.push({ ...version('1.1.0'), ...sayingMigrations('1.1.0') })
    await subscriber.deployed(commit)
    const who = `${WEB.name} ${WEB.name},${WEB.group} HOME=${WEB.home} USER=${WEB.name} LOGNAME=${WEB.name} PWD=${WEB.checkout}`
    expect(await whoSaid(subscriber)).toEqual(
      ['node', 'python', 'executable', 'install', 'health'].map((what) => `${what} ${who}`),
    )
    const { applied } = await subscriber.state('migration_state.json')
    expect(applied).toEqual(['1.1.0/001_node.ts', '1.1.0/002_python.py', '1.1.0/003_executable'])
    expect(await subscriber.systemctl(`is-active ${SERVICE}`)).toBe('active')
    await allIsWebs()
  })

  test('telec doctor says in whose name it works', async () => {
    const { stdout } = await subscriber.telec('telec doctor', { allowFailure: true })
    expect(stdout).toMatch(/checkout .*, run as web/)
    expect(stdout.split('\n').filter((line) => line.startsWith('✗'))).toEqual([])
  })

  test('a power cut in a migration changes nothing of that', async () => {
    const commit = await subscriber.push({
      ...version('1.2.0'),
      'migrations/v1.2.0/001_waits.mjs': WAITING,
    })
    await until('the migration', async () => (await asWeb('ls ~')).stdout.includes('started'))
    await subscriber.box.cut()
    await subscriber.box.boot()
    await asWeb('touch ~/go-on')
    await subscriber.deployed(commit)
    await allIsWebs()
  })

  test('on the whole road root runs what is listed, and nothing of the checkout', async () => {
    await subscriber.systemctl(`stop ${TIMERS}`)
    const commit = await subscriber.push({ ...version('1.3.0'), ...sayingMigrations('1.3.0') })
    const polled = await whoRan(subscriber, `${subscriber.bin}/telec-watch`)
    const updated = await whoRan(subscriber, `${subscriber.bin}/telec-update`)
    await subscriber.deployed(commit)
    const web = Number(await sh(`id -u ${WEB.name}`))
    expect(programsOf(polled, 0)).toEqual(['getent', 'node', 'setpriv', 'telec-watch'])
    expect(programsOf(updated, 0)).toEqual([
      'flock',
      'getent',
      'git', // asked for its version, away from the checkout
      'node',
      'setpriv',
      'sh', // ends with telec what telec started
      'systemctl',
      'telec-update',
    ])
    expect(programsOf(updated, web)).toEqual(
      expect.arrayContaining(['git', 'logger', 'node', 'python3', 'sh', 'sync']),
    )
    expect([...polled, ...updated].filter(({ uid }) => uid !== 0 && uid !== web)).toEqual([])
  })

  test('what the owner puts into the checkout leads root nowhere else', async () => {
    const commit = await subscriber.push(version('1.4.0'))
    await sh('mkdir -p /srv/precious/heads && touch /srv/precious/heads/main.lock')
    const precious = () => sh('find /srv/precious -printf "%p %U %T@\\n"')
    const before = await precious()
    await subscriber.telec('telec-watch')
    await sh(`node -e "$(cat <<'SCRIPT'\n${KILLED_IN_FETCH}\nSCRIPT\n)"`)
    await asWeb('cd ~/app/.git/refs && mv telec telec.kept && ln -s /srv/precious telec')
    expect((await subscriber.telec('telec-update', { allowFailure: true })).code).not.toBe(0)
    await asWeb('cd ~/app && mv migrations migrations.kept && ln -s /srv/precious migrations')
    expect((await subscriber.telec('telec-migrate new planted', { allowFailure: true })).code).toBe(1)
    expect(await precious()).toBe(before)

    await asWeb(
      'cd ~/app && rm migrations .git/refs/telec && mv migrations.kept migrations && mv .git/refs/telec.kept .git/refs/telec',
    )
    await subscriber.telec('telec-migrate new planted')
    expect(await sh(`stat --format=%U ${WEB.checkout}/migrations/v1.3.0/*_planted.ts`)).toBe(WEB.name)
    await asWeb('rm ~/app/migrations/v1.3.0/*_planted.ts')
    await subscriber.telec('telec-update --retry')
    await subscriber.deployed(commit)
    await allIsWebs()
  })

  test("signatures are checked in the owner's name, against keys that root alone may read", async () => {
    await sh(`ssh-keygen -q -t ed25519 -N '' -f ~/key
echo "ada@example.org $(cat ~/key.pub)" >/etc/telec/signers && chmod 600 /etc/telec/signers
sed -i 's,^deployment:,deployment:\\n  verify: signed-commit\\n  allowed_signers: /etc/telec/signers,' /etc/telec/config.yml
git clone --quiet "$(git -C ${WEB.checkout} -c safe.directory='*' remote get-url origin)" ~/work`)
    const commitBy = async (flags: string) => {
      const identity =
        '-c user.name=Ada -c user.email=ada@example.org -c gpg.format=ssh -c user.signingkey=~/key'
      await sh(`cd ~/work && git ${identity} commit --quiet --allow-empty -m change ${flags}`)
      const commit = await sh('git -C ~/work rev-parse HEAD')
      await sh(`git -C ~/work push --quiet ${subscriber.remote} HEAD:main`)
      await subscriber.telec('telec-watch')
      const ended = await subscriber.telec('telec-update', { allowFailure: true })
      return { commit, ...ended }
    }
    const signed = await commitBy('--gpg-sign')
    expect(signed).toMatchObject({ code: 0 })
    await subscriber.deployed(signed.commit)
    const unsigned = await commitBy('--no-gpg-sign')
    expect(unsigned.code).toBe(1)
    expect(unsigned.stderr).toContain('is not signed')
    await allIsWebs()
  })

  test('a link by which the owner would have telec act as somebody else is refused', async () => {
    await sh(`cp -r ${WEB.checkout} /srv/root-app && chown -R root /srv/root-app`)
    await asWeb('mv ~/app ~/app.kept && ln -s /srv/root-app ~/app')
    const { code, stderr } = await subscriber.telec('telec-update', { allowFailure: true })
    expect(code).toBe(78)
    expect(stderr).toMatch(/which uid \d+ could put something else in the place of/)
  })
})
