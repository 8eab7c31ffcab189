import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { requireTool } from '../helpers/missing-tool.ts'
import { DIST, type Ended, execute } from '../helpers/programs.ts'
import { until } from '../helpers/until.ts'
import { nodeOptions } from './double.ts'

// telec in system scope on a Mac, as far as there is none: the double's launchd in a root file system of its own.

const BIN = '/opt/launchd'
const HOME = '/var/lib/telec'
const LOGS = '/var/log/telec'
const SERVICE = 'org.example.web'
const FOLDERS = ['/dev', '/proc', '/sys', '/tmp']

interface SystemMac {
  /** A shell script in it, by root or another user; its standard output, trimmed. */
  sh(script: string, user?: string): Promise<string>
  telec(commandLine: string, user?: string): Promise<Ended>
  /** A minute of the calendar. */
  tick(): void
  dispose(): Promise<void>
}

/** macOS has another id(1). */
const ID = `#!/bin/sh
[ "$1" = -P ] || exec /usr/bin/id "$@"
getent passwd "$2" | sed 's/^\\([^:]*:[^:]*:[^:]*:[^:]*\\):/\\1::0:0:/'
`

async function systemMac(): Promise<SystemMac> {
  requireTool('nsenter', 'util-linux')
  const folder = mkdtempSync(join(tmpdir(), 'telec-mac-'))
  const parts = join(folder, 'parts')
  mkdirSync(parts)
  cpSync(DIST, join(parts, 'telec'), { recursive: true })
  await build({
    entryPoints: [join(import.meta.dirname, 'served.ts')],
    outfile: join(parts, 'launchd/served.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    define: { 'import.meta.dirname': JSON.stringify(BIN) },
  })
  for (const name of ['launchctl.mjs', 'darwin.mjs'])
    cpSync(join(import.meta.dirname, name), join(parts, 'launchd', name))
  const script = `set -e
mount -t tmpfs -o mode=755 tmpfs ${folder}/disk
mkdir ${folder}/disk/upper ${folder}/disk/work
mount -t overlay -o lowerdir=/,upperdir=${folder}/disk/upper,workdir=${folder}/disk/work overlay ${folder}/root
for folder in ${FOLDERS.join(' ')}; do mount --rbind $folder ${folder}/root$folder; done
cp -R ${parts}/* ${folder}/root/opt
cp ${process.execPath} ${folder}/root${BIN}/node
mkdir -p ${folder}/root/Library/LaunchDaemons
exec chroot ${folder}/root ${BIN}/node ${BIN}/served.mjs ${BIN} system`
  mkdirSync(join(folder, 'disk'))
  mkdirSync(join(folder, 'root'))
  const launchd = spawn('unshare', ['--mount', '--propagation=private', 'sh', '-c', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(launchd, 'exit')
  await Promise.race([
    once(launchd.stdout, 'data'),
    ended.then(() => Promise.reject(new Error('no launchd'))),
  ])
  const run = (argv: readonly string[], user = 'root') => {
    const as = user === 'root' ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups']
    const env = [
      `PATH=${BIN}:/opt/telec:/usr/bin:/bin:/usr/sbin:/sbin`,
      `HOME=${user === 'root' ? '/root' : `/home/${user}`}`,
      `NODE_OPTIONS=${nodeOptions(BIN)}`,
      'NO_COLOR=1',
    ]
    const inside = [`--target=${launchd.pid}`, '--mount', '--root']
    return execute('nsenter', [...inside, ...as, 'env', '--chdir=/', '-i', ...env, ...argv])
  }
  return {
    sh: async (text, user) => {
      const { code, stdout, stderr } = await run(['sh', '-ec', text], user)
      if (code !== 0) throw new Error(`${text}: exit code ${code}\n${stdout}${stderr}`)
      return stdout.trim()
    },
    telec: (commandLine, user) => run(commandLine.split(' '), user),
    tick: () => void launchd.stdin.write('\n'),
    dispose: async () => {
      launchd.stdin.end()
      await ended
      rmSync(folder, { recursive: true })
    },
  }
}

let mac: SystemMac
beforeAll(async () => {
  mac = await systemMac()
  await mac.sh(`cat >${BIN}/id <<'END'
${ID}END
chmod 755 ${BIN}/id
cp ${BIN}/launchctl /bin/launchctl
useradd --create-home web
useradd --create-home other
mkdir -p /srv && chmod 755 /srv && cd /srv
git init --quiet --bare --initial-branch=main remote.git
git clone --quiet remote.git clone 2>/dev/null
git -C clone config user.name 'A Person'
git -C clone config user.email person@example.org
cat >clone/server.js <<'END'
process.on('SIGTERM', () => process.exit(42))
setInterval(() => {}, 1000)
END
mkdir app && chown -R web remote.git clone app
cat >/Library/LaunchDaemons/${SERVICE}.plist <<'END'
<?xml version="1.0"?><plist version="1.0"><dict>
<key>Label</key><string>${SERVICE}</string>
<key>ProgramArguments</key><array><string>${BIN}/node</string><string>server.js</string></array>
<key>WorkingDirectory</key><string>/srv/app</string>
<key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
</dict></plist>
END`)
  await push('1.0.0')
  await mac.sh('git clone --quiet /srv/remote.git /srv/app', 'web')
  await mac.sh(`launchctl bootstrap system /Library/LaunchDaemons/${SERVICE}.plist`)
})
afterAll(() => mac?.dispose())

async function push(version: string): Promise<void> {
  await mac.sh(
    `cd /srv/clone && printf '{ "name": "web", "version": "${version}" }\\n' >package.json
git add --all && git commit --quiet --message ${version} && git push --quiet origin HEAD:main`,
    'web',
  )
}
const deployed = (version: string) =>
  until(`${version} to be deployed`, async () => {
    const { stdout } = await mac.telec('telec status --json', 'web')
    return JSON.parse(stdout).deployed?.version === version
  })
const owners = (path: string) => mac.sh(`stat --format=%U:%a ${path}`)
const pid = async (label: string) =>
  /^\tpid = (\d+)$/m.exec(await mac.sh(`launchctl print system/${label}`))?.[1]
const firstPoll = () =>
  until('the first poll', async () => (await mac.sh(`ls ${HOME}`)).includes('watch_state.json'))

test('telec runs as the owner of the checkout, and has root restart a service of root', async () => {
  const configured = await mac.telec(`telec init --system --checkout /srv/app --service ${SERVICE}`)
  expect(configured, configured.stderr).toMatchObject({ code: 0 })
  await mac.sh(`sed -i 's/# healthy_after: 5s/healthy_after: 100ms/' /etc/telec/config.yml`)
  const installed = await mac.telec('telec install --system')
  expect(installed, installed.stderr).toMatchObject({ code: 0 })
  expect(installed.stdout).toContain('telec is installed: sudo -u web telec status\n')
  await firstPoll()
  const before = await pid(SERVICE)
  await push('1.1.0')
  mac.tick()
  await deployed('1.1.0')
  expect(await pid(SERVICE)).not.toBe(before)
  expect(await owners(`/proc/${await pid(SERVICE)}`)).toMatch(/^root:/)
  expect(await mac.sh(`find ${HOME} ${LOGS} /srv/app ! -user web`)).toBe('')
  expect([await owners(HOME), await owners(LOGS)]).toEqual(['web:700', 'web:700'])
  expect(await mac.sh(`cat ${LOGS}/telec-update.log`)).toContain('updated: 1.1.0 is deployed')
  const { stdout } = await mac.telec('telec doctor', 'web')
  expect(stdout).toMatch(/^✓ units +3 files, as telec install would write them$/m)
})

test('by hand the owner updates, and root is told how', async () => {
  await push('1.2.0')
  const byRoot = await mac.telec('telec update')
  expect(byRoot).toMatchObject({ code: 2, stderr: expect.stringContaining('sudo -u web telec update') })
  const byOwner = await mac.telec('telec update', 'web')
  expect(byOwner, byOwner.stderr).toMatchObject({ code: 0 })
  await deployed('1.2.0')
  expect((await mac.telec('telec status', 'other')).code).toBe(78)
})

test('a home that a telec which ran as root left, with its logs, is given to the owner', async () => {
  expect(await mac.telec('telec uninstall --system')).toMatchObject({ code: 0, stderr: '' })
  expect(await mac.sh('ls /Library/LaunchDaemons')).toBe(`${SERVICE}.plist`)
  await mac.sh(`chown -R root:root ${HOME} ${LOGS}
echo old >${HOME}/telec-update.log
ln -s /etc/shadow ${HOME}/link
ln /etc/shadow ${HOME}/hard`)
  expect(await mac.telec('telec install --system')).toMatchObject({ code: 0 })
  expect(await mac.sh(`find ${HOME} ${LOGS} ! -user web`)).toBe(`${HOME}/hard`)
  expect(await owners('/etc/shadow')).toMatch(/^root:/)
  await mac.sh(`rm ${HOME}/hard ${HOME}/link`)
  await push('1.3.0')
  mac.tick()
  await deployed('1.3.0')
})

test('a checkout that is given to another user takes a word about the home of the one before', async () => {
  await mac.sh('chown -R other /srv/app')
  const refused = await mac.telec('telec install --system')
  expect(refused.code).toBe(78)
  expect(refused.stderr).toMatch(/\/var\/(lib|log)\/telec belongs to uid \d+, and the checkout to other/)
  await mac.sh(`chown -R other ${HOME} ${LOGS} /srv/remote.git`)
  const installed = await mac.telec('telec install --system')
  expect(installed, installed.stderr).toMatchObject({ code: 0 })
  expect(await mac.sh('cat /Library/LaunchDaemons/telec-update.plist')).toContain('<string>other</string>')
  expect((await mac.telec('telec uninstall --system')).code).toBe(0)
  expect(await mac.sh('ls /Library/LaunchDaemons')).toBe(`${SERVICE}.plist`)
  expect(await pid(SERVICE)).toBeDefined()
})
