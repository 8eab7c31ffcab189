import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { type Scope, SERVICE, type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

const SCOPES: Scope[] = ['user', 'system']
const CONFIG = { user: '~/.teleclaude/config.yml', system: '/etc/telec/config.yml' }
const UNITS = { user: '~/.config/systemd/user', system: '/etc/systemd/system' }

const INSTALLED = { user: '~/.teleclaude/installed.json', system: '/etc/telec/installed.json' }
const SHARE = { user: '~/.local', system: '/usr/local/share' }

/** Waits in its migration for the other end of the pipe, which decides whether it fails. */
const WAITING = `import { readFileSync } from 'node:fs'
export const check = () => false
export const migrate = () => readFileSync(process.env.TELEC_HOME + '/pipe', 'utf8') === 'go\\n'
`

describe.each(SCOPES)('telec install, %s scope', (scope) => {
  let subscriber: Subscriber
  let unitsBefore: string
  const unitFiles = () => subscriber.systemctl('list-unit-files --plain --no-legend')
  /** Everything of systemd's that telec could have touched. */
  const folder = async () =>
    (
      await subscriber.sh(`cd ${UNITS[scope]} && find . ${SHARE[scope]} 2>/dev/null | sort`, {
        allowFailure: true,
      })
    ).stdout
  let folderBefore: string
  const refused = async (script: string) => {
    const ended = await subscriber.sh(script, { allowFailure: true })
    expect(ended.code, ended.stderr).toBe(78)
    return ended.stderr
  }

  beforeAll(async () => {
    subscriber = await subscribe(scope, { healthy_after: '0s' })
    unitsBefore = await unitFiles()
    folderBefore = await folder()
  })
  afterAll(() => subscriber?.dispose())

  test('refuses what could not work, and says what to do', async () => {
    await subscriber.sh(`mkdir -p ~/alone && cp ${subscriber.bin}/telec ~/alone`)
    expect(await refused('~/alone/telec install')).toMatch(
      /telec-watch is missing\n.*copy all of telec's programs to/,
    )
    await subscriber.sh(
      `cp -r ${subscriber.bin}/. ~/alone && sed -i 's/name: ${SERVICE}/name: gone.service/' ${CONFIG[scope]}`,
    )
    expect(await refused(`${subscriber.bin}/telec install`)).toContain('gone.service, a unit that systemd')
    await subscriber.sh(`sed -i 's/name: gone.service/name: ${SERVICE}/' ${CONFIG[scope]}`)
    expect(await folder()).toBe(folderBefore)
  })

  test('of a checkout that belongs to another user it says so', async () => {
    const owner = scope === 'user' ? 'ada' : 'root'
    // In system scope telec runs as the owner, unless that is unknown.
    await subscriber.box.sh(scope === 'user' ? 'chown -R root ~ada/app' : 'chown nobody ~root/app')
    expect(await refused(`${subscriber.bin}/telec install`)).toMatch(
      scope === 'user' ? /belongs to another user \(uid \d+/ : /which others can change or replace/,
    )
    await subscriber.box.sh(`chown -R ${owner} ~${owner}/app`)
  })

  if (scope === 'system')
    test('does not have root run what others can change', async () => {
      await subscriber.sh('chmod o+w ~/alone/telec')
      expect(await refused('~/alone/telec install')).toContain('can be changed by others than root')
      await subscriber.sh(
        'chmod o-w ~/alone/telec && mkdir -p ~/open && cp -r ~/alone ~/open && chmod o+w ~/open',
      )
      expect(await refused('~/open/alone/telec install')).toContain(
        '/open can be changed by others than root',
      )
      await subscriber.sh('chown -R nobody ~/alone && chmod -R go-w ~/alone')
      expect(await refused('~/alone/telec install')).toContain('can be changed by others than root')
    })

  test('--user and --system have to fit the configuration', async () => {
    const other = scope === 'user' ? 'system' : 'user'
    const { code, stderr } = await subscriber.telec(`telec install --${other}`, { allowFailure: true })
    expect(code).toBe(78)
    expect(stderr).toContain('no configuration')
    await subscriber.telec(`telec install --${scope}`)
    expect(JSON.parse((await subscriber.telec('telec install --json')).stdout)).toMatchObject({
      scope,
      done: [],
    })
    expect((await subscriber.telec('telec install')).stdout).toBe(
      'telec is installed, and up to date: telec status\n',
    )
  })

  test('removes files that an earlier telec installed, such as completions', async () => {
    const share = scope === 'user' ? '/home/ada/.local/share' : '/usr/local/share'
    const record = async () => JSON.parse((await subscriber.sh(`cat ${INSTALLED[scope]}`)).stdout)
    const made = `${share}/fish/vendor_completions.d`
    const folders = [...(scope === 'user' ? ['/home/ada/.local', share] : []), `${share}/fish`, made]
    const old = `${made}/telec.fish`
    await subscriber.sh(`mkdir -p ${made} && touch ${old}`)
    const installed = (await record()) as { files: string[]; folders: string[] }
    const before = {
      ...installed,
      files: [...installed.files, old],
      folders: [...installed.folders, ...folders],
    }
    await subscriber.sh(`cat >${INSTALLED[scope]}`, { input: JSON.stringify(before) })
    const { stdout } = await subscriber.telec('telec install')
    expect(stdout).toContain(`removed ${old}\n`)
    expect(await folder()).not.toContain('fish')
    expect(await record()).toEqual(installed)
  })

  test('again, it updates differing files, and removes those that no longer belong', async () => {
    const units = UNITS[scope]
    await subscriber.sh(`cp ${units}/${SERVICE} ${units}/other.service && systemctl --${scope} daemon-reload`)
    await subscriber.sh(
      `sed -i 's/name: ${SERVICE}/name: other.service/; s/poll_every: 5s/poll_every: 7s/' ${CONFIG[scope]}`,
    )
    const { stdout } = await subscriber.telec('telec install')
    expect(stdout).toContain(`/${SERVICE}.d/telec.conf\n`)
    expect(stdout).toMatch(/^removed .*telec\.conf$/m)
    expect(await folder()).not.toContain(`${SERVICE}.d`)
    expect(await subscriber.systemctl('cat telec-watch.timer')).toContain('OnUnitActiveSec=7s')
    await subscriber.sh(
      `sed -i 's/name: other.service/name: ${SERVICE}/; s/poll_every: 7s/poll_every: 5s/' ${CONFIG[scope]}`,
    )
    await subscriber.systemctl('stop telec-update.path')
    await subscriber.telec('telec install')
    expect(await subscriber.systemctl('is-active telec-update.path')).toBe('active')
    expect(await folder()).not.toContain('other.service.d')
    await subscriber.sh(`rm ${units}/other.service && systemctl --${scope} daemon-reload`)
  })

  if (scope === 'system')
    test('the watcher is locked in, in the eyes of systemd-analyze security', async () => {
      const { stdout } = await subscriber.sh(
        'systemd-analyze security --no-pager telec-watch.service | tail -1',
      )
      expect(Number(/: ([\d.]+) /.exec(stdout)?.[1])).toBeLessThanOrEqual(1.5)
    })

  test('systemctl status shows the step of an update, and its result', async () => {
    const home = scope === 'user' ? '~/.teleclaude' : '/var/lib/telec'
    const status = async () =>
      /Status: "(.*)"/.exec(await subscriber.systemctl('status telec-update.service'))?.[1]
    await subscriber.sh(`mkfifo ${home}/pipe`)
    await subscriber.push({ ...version('1.1.0'), 'migrations/v1.1.0/001_waits.mjs': WAITING })
    await until(
      'the migration to be named',
      async () => (await status()) === 'migrating 1 of 1: 1.1.0/001_waits.mjs',
    )
    await subscriber.sh(`echo stop >${home}/pipe`)
    await until(
      'the failure to be named',
      async () => (await status()) === 'migration 1.1.0/001_waits.mjs failed',
    )
    const commit = await subscriber.push({ ...version('1.1.1'), 'migrations/v1.1.0/001_waits.mjs': null })
    await subscriber.deployed(commit)
    await until('the end to be named', async () =>
      /^updated from 1\.0\.0 .* to 1\.1\.1 /.test((await status()) ?? ''),
    )
  })

  test('the journal can be filtered by program, priority and service', async () => {
    const journal = async (filter: string) =>
      (await subscriber.sh(`journalctl --quiet --output=cat ${scope === 'user' ? '--user' : ''} ${filter}`))
        .stdout
    expect(await journal('-t telec-update -p notice')).toMatch(/^updated: 1\.1\.1 is deployed/m)
    expect(await journal('-t telec-update -p err')).toContain('001_waits.mjs')
    expect(await journal('-t telec-update -p err')).not.toContain('updated:')
    expect(await journal('-t telec-watch')).toContain('new version: ')
    if (scope === 'system')
      expect(await journal(`TELEC_SERVICE=${SERVICE} -t telec-update`)).toContain('updated: ')
  })

  test('a poll that finds nothing leaves no line in it, not even of systemd', async () => {
    const unit = `${scope === 'user' ? '--user --user-' : '--'}unit=telec-watch.service`
    const journal = async () =>
      (await subscriber.sh(`journalctl --quiet --output=cat --cursor-file=/tmp/cursor-${scope} ${unit}`))
        .stdout
    expect(await journal()).toContain('new version: ')
    await subscriber.sh(`rm -f ${scope === 'user' ? '~/.teleclaude' : '/var/lib/telec'}/quiet`) // a whole poll
    const polledAt = async () =>
      JSON.parse((await subscriber.telec('telec status --json')).stdout).watch.polled_at
    const before = await polledAt()
    await subscriber.systemctl('start telec-watch.service')
    expect(await polledAt()).not.toBe(before)
    expect(await journal()).toBe('')
  })

  test('telec logs shows what telec and the service said, of the right units', async () => {
    const { stdout } = await subscriber.telec('telec logs --lines 1000')
    expect(stdout).toMatch(/telec-update\[\d+\]: updated: 1\.1\.1 is deployed/)
    expect(stdout).toMatch(/telec-watch\[\d+\]: new version: /)
    expect(stdout).toMatch(/\]: web 1\.1\.1/)
    const own = (await subscriber.telec('telec logs --no-service --lines 1000')).stdout
    expect(own).toContain('updated: 1.1.1')
    expect(own).not.toContain('web 1.1.1')
    const [record = ''] = (await subscriber.telec('telec logs --json -n 1')).stdout.split('\n')
    expect(JSON.parse(record)).toHaveProperty('MESSAGE')
    expect((await subscriber.telec('telec logs -n 1')).stdout.trimEnd().split('\n')).toHaveLength(1)
    expect((await subscriber.telec('telec logs --since "2 days"', { allowFailure: true })).code).toBe(1)
  })

  test('telec uninstall leaves nothing, and needs no configuration for that', async () => {
    await subscriber.sh(`echo 'not: understood' >>${CONFIG[scope]}`)
    const { stdout } = await subscriber.telec('telec uninstall --json')
    expect(JSON.parse(stdout).done.length).toBeGreaterThan(3)
    expect(await folder()).toBe(folderBefore)
    expect(await unitFiles()).toBe(unitsBefore)
    expect(await subscriber.systemctl('list-units --all --plain --no-legend "telec*"')).toBe('')
    expect((await subscriber.telec('telec uninstall')).stdout).toBe('telec is not installed\n')
  })
})

test('a user who does not linger is told what that means', async () => {
  const subscriber = await subscribe('user')
  try {
    await subscriber.box.sh('rm /var/lib/systemd/linger/ada')
    const { stderr } = await subscriber.telec('telec install')
    expect(stderr).toContain('sudo loginctl enable-linger ada')
  } finally {
    await subscriber.dispose()
  }
})
