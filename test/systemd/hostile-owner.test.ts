import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { giveToWeb, WEB } from '../helpers/owned.ts'
import { type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

const HOME = '/var/lib/telec'
const STATE = [
  'update_state',
  'update_signal',
  'watch_state',
  'migration_state',
  'status',
  'history',
  'pause',
]
const FORGED = [
  ...[...STATE, 'installed', 'choices', 'update_request', 'redis'].map((name) => `${name}.json`),
]
const OTHERS = ['quiet', 'restart', 'telec.lock', 'telec-update.log']

/** All that root does by hand for a service of another user's. */
const BY_ROOT = [
  'telec install',
  'telec update',
  'telec status',
  'telec logs --lines 20',
  'telec doctor',
  'telec-watch',
  'telec uninstall',
  `telec init --system --name other --checkout ${WEB.home}/other`,
  'telec install --name -',
]

/** Says to systemd, from within the unit, what only telec could have a reason to say. */
const SPEAKING = `import os, socket, subprocess, time
def check(): return os.path.exists('said')
def migrate():
    child = subprocess.Popen(['sleep', '600'], start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if not name.startswith('TELEC')})
    to = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for said in ('STATUS=all is well', 'MAINPID=%d' % child.pid, 'MAINPID=1', 'STOPPING=1', 'RELOADING=1', 'EXTEND_TIMEOUT_USEC=600000000', 'WATCHDOG=trigger'):
        to.sendto(said.encode(), '/run/systemd/notify')
    speaker = subprocess.Popen(['systemd-cat', '-t', 'telec-update', 'sh', '-c', "printf '\\\\033]0;title\\\\007\\\\033[2J\\\\n'; exec sleep 600"])
    while not os.path.exists('${WEB.home}/heard'): time.sleep(0.02) # journald asks of which unit those are that are still there
    for one in (child, speaker): one.kill()
    open('said', 'w').close()
    return True
`

describe('an owner of the checkout who is hostile', () => {
  let subscriber: Subscriber
  const sh = async (script: string) => (await subscriber.sh(script)).stdout.trim()
  const asWeb = (script: string) => subscriber.box.sh(script, { user: WEB.name })
  const show = (property: string) =>
    subscriber.systemctl(`show telec-update.service --property=${property} --value`)
  const isOver = () =>
    until('the update to end', async () => /^(inactive|failed)$/.test(await show('ActiveState')))
  /** By root, who has something in the environment; never for long. */
  const byRoot = (line: string, more = '') =>
    subscriber.box.sh(
      `${more} ROOTS_SECRET=opensesame GITHUB_TOKEN=opensesame timeout 60 strace -f -qq -e trace=open,openat,openat2,creat -e signal=none -o /root/opened /opt/telec/${line} </dev/null`,
      { allowFailure: true },
    )
  /** The owner's files that root's programs opened. */
  const openedByRoot = async () => {
    const opened = await sh(`grep -oE '"(${WEB.home}|${HOME})[^"]*"' /root/opened || true`)
    // Whether a HOME that sudo -E kept has services: root is told that they are its owner's.
    return opened.split('\n').filter((path) => path !== '' && path !== `"${WEB.home}/.teleclaude/services"`)
  }

  beforeAll(async () => {
    subscriber = await subscribe('system', { healthy_after: '0s' })
    await giveToWeb(subscriber)
    // Every program that telec or git starts, and every setting of git that names one, tells who runs it.
    await asWeb(`mkdir -p ~/.local/bin ~/.config/systemd/user
for name in git ssh sh node systemctl journalctl systemd-run systemd-notify runuser sudo getent flock sync timeout setpriv telec telec-update; do
  printf '#!/bin/sh\\nid -u >>/home/web/spied\\nPATH=/usr/local/bin:/usr/bin:/bin\\n[ "\${0##*/}" = node ] && exec ${process.execPath} "$@"\\nexec "\${0##*/}" "$@"\\n' >~/.local/bin/$name
  chmod +x ~/.local/bin/$name
done
printf '#!/bin/sh\\nid -u >>/home/web/spied; exit 1\\n' >~/spy && chmod +x ~/spy
for key in core.sshCommand core.fsmonitor core.pager core.editor core.alternateRefsCommand filter.x.smudge filter.x.clean diff.external; do
  git config --global $key ~/spy; git -C ~/app config $key ~/spy
done
echo '* filter=x' >~/app/.git/info/attributes
for hook in post-checkout reference-transaction pre-push; do cp ~/spy ~/app/.git/hooks/$hook; done
printf '#!/bin/sh\\nenv >>~/env\\n' >~/say
echo 'id -u >>/home/web/spied' | tee -a ~/.bashrc ~/.profile >~/.bash_profile`)
    await sh("sed -i 's,^  # path: [^#]*,  path: [~/.local/bin] # ,' /etc/telec/config.yml")
    await subscriber.telec('telec install')
  })
  afterAll(() => subscriber?.dispose())

  test("an update, and all that root does by hand, runs the owner's programs as the owner alone", async () => {
    await subscriber.systemctl('stop telec-watch.timer telec-update.path')
    const commit = await subscriber.push({ ...version('1.1.0'), 'a.txt': 'a\n' })
    const { stdout } = await byRoot('telec update')
    expect(stdout).toContain('updated: 1.1.0 is deployed')
    await subscriber.deployed(commit)
    const web = await sh(`id -u ${WEB.name}`)
    expect(await openedByRoot()).toEqual([])
    for (const line of BY_ROOT.slice(0, -3))
      for (const kept of ['', `HOME=${WEB.home} XDG_CONFIG_HOME=${WEB.home}/.config`]) {
        await byRoot(line, kept)
        expect(await openedByRoot(), `${kept} ${line}`).toEqual([])
      }
    expect(new Set((await sh(`cat ${WEB.home}/spied`)).split('\n'))).toEqual(new Set([web]))
  })

  test('gets nothing of the environment of the root who hands over', async () => {
    const env = await sh(`cat ${WEB.home}/env`)
    expect(env).toMatch(/^HOME=\/home\/web$/m)
    expect(env).not.toContain('opensesame')
    expect(env).not.toMatch(/^(NOTIFY_SOCKET|SUDO_\w+)=/m)
  })

  test('can say nothing to systemd in the name of the unit, and nothing to the terminal of root', async () => {
    await subscriber.systemctl('stop telec-watch.timer telec-update.path') // root's is to be the one that sees it
    const commit = await subscriber.push({ ...version('1.2.0'), 'migrations/v1.2.0/001_speaks.py': SPEAKING })
    const update = byRoot('telec update')
    await until('what is said to be in the journal', async () =>
      (await sh('journalctl --quiet --output=cat --unit=telec-update.service')).includes('[2J'),
    )
    await asWeb('touch ~/heard')
    const { code, stdout } = await update
    await subscriber.systemctl('start telec-watch.timer telec-update.path')
    expect(stdout).toContain('updated: 1.2.0 is deployed')
    expect(stdout).toContain('\\u001b[2J')
    expect(stdout).not.toContain('\u001b')
    expect(code).toBe(0)
    await subscriber.deployed(commit)
    await isOver()
    expect([await show('Result'), await show('StatusText'), await show('MainPID')]).toEqual([
      'success',
      '',
      '0',
    ])
  })

  test('cannot have units written for another user by a checkout that changes while root looks', async () => {
    await sh(`cp -r ${WEB.checkout} /srv/root-app && chown -R root: /srv/root-app`)
    const swapping = `cd ~; while [ ! -e stop ]; do mv app kept; ln -s /srv/root-app app; rm app; mv kept app; done; rm stop`
    const swapped = asWeb(swapping)
    try {
      for (let round = 0; round < 5; round++) {
        const { code, stderr } = await byRoot('telec install')
        expect([0, 1, 78]).toContain(code) // 1: the first poll, by the owner, may find none of the two
        expect(stderr).not.toContain('a bug in telec')
        const users = await sh('grep -h ^User= /etc/systemd/system/telec-*.service | sort -u')
        expect(users).toBe(`User=${WEB.name}`)
      }
    } finally {
      await asWeb('touch ~/stop')
      await swapped
    }
    expect((await byRoot('telec install')).code).toBe(0)
  })

  test.each([
    ['a pipe, which would wait for its writer', 'mkfifo "$name"'],
    ['a link to what is secret', 'ln -s /etc/shadow "$name"'],
    ['a link to a device without an end', 'ln -s /dev/zero "$name"'],
    ['a folder', 'mkdir "$name"'],
  ])('leads root nowhere by %s in the place of each file', async (_, forge) => {
    const shadow = await sh('sha256sum /etc/shadow; stat --format="%U %a" /etc/shadow')
    const secret = await sh("grep -oE '\\$y\\$\\S{10}|^root:[^:]*:[0-9]+' /etc/shadow | head -1")
    await subscriber.systemctl('stop telec-watch.timer telec-update.path telec-update.timer')
    await isOver()
    await asWeb(`mkdir ~/kept && cp -a ${HOME}/. ~/kept/ && mkdir ~/other
for name in ${[...FORGED, ...OTHERS].map((name) => `${HOME}/${name}`).join(' ')} ~/.gitconfig ~/other/.git ~/other/package.json ~/.config/systemd/user/telec-update.service; do
  rm -rf "$name"; ${forge}
done`)
    for (const [index, line] of BY_ROOT.entries()) {
      const { code, stdout, stderr } = await byRoot(line, index % 2 ? `HOME=${WEB.home}` : '')
      expect(code, `${line}\n${stderr}`).not.toBe(124)
      expect(stdout + stderr, line).not.toContain(secret)
      expect(stderr, line).not.toContain('a bug in telec')
      expect(await openedByRoot(), line).toEqual([])
    }
    expect(await sh('sha256sum /etc/shadow; stat --format="%U %a" /etc/shadow')).toBe(shadow)
    expect(await sh(`find ${WEB.home} ${HOME} ! -user ${WEB.name}`)).toBe('')
    expect(await sh("ls /etc/systemd/system | grep -c '^telec-.*service$'")).not.toBe('0')
    await subscriber.systemctl('stop telec-watch.timer telec-update.path telec-update.timer')
    await isOver()
    await asWeb(
      `rm -rf ${HOME}/* ~/.gitconfig ~/other && cp -a ~/kept/. ${HOME}/ && rm -r ~/kept ~/.config/systemd/user/telec-update.service`,
    )
    await sh('rm -f /etc/telec/services/other.yml')
  })
})
