import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { giveToWeb, sayingMigrations, WEB, whoSaid } from '../helpers/owned.ts'
import { whatOpened } from '../helpers/road.ts'
import { SERVICE, type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

/** Waits for `~/NAME-go-on`, in the home of its user. */
const waiting = (name: string) => `import { existsSync, writeFileSync } from 'node:fs'
export const check = () => existsSync('${name}')
export async function migrate() {
  writeFileSync(process.env.HOME + '/${name}-started', '')
  while (!existsSync(process.env.HOME + '/${name}-go-on')) await new Promise((resolve) => setTimeout(resolve, 50))
  writeFileSync('${name}', '')
  return true
}
`

const HOME = '/var/lib/telec'

describe('a system-wide telec, and a checkout that belongs to another user', () => {
  let subscriber: Subscriber
  const sh = async (script: string) => (await subscriber.sh(script)).stdout.trim()
  const asWeb = (script: string) => subscriber.box.sh(script, { user: WEB.name })
  const allIsWebs = async () => {
    expect(await sh(`find ${WEB.home} ${HOME} ! -user ${WEB.name}`)).toBe('')
    expect(await sh('find /tmp -maxdepth 1 -name "telec-gnupg-*"')).toBe('')
  }
  const show = (unit: string, property: string) =>
    subscriber.systemctl(`show ${unit} --property=${property} --value`)

  beforeAll(async () => {
    subscriber = await subscribe('system', { healthy_after: '0s' })
    await giveToWeb(subscriber)
  })
  afterAll(() => subscriber?.dispose())

  test('telec install says how to continue, and has the owner read what root configured', async () => {
    const { stdout, stderr } = await subscriber.telec('telec install')
    expect(stderr).not.toContain('belongs to root')
    expect(stdout).toContain('gave /etc/telec/config.yml to the group of web, to read it\n')
    expect(stdout).toContain('telec is installed: sudo -u web telec status\n')
    expect(await sh('stat --format="%U %G %a" /etc/telec/config.yml')).toBe('root web 640')
    expect(await sh(`stat --format="%U %a" ${HOME}`)).toBe('web 700')
    for (const unit of ['telec-watch.service', 'telec-update.service'])
      expect(await show(unit, 'User')).toBe('web')
    const { stdout: said } = await subscriber.sh(
      'systemd-analyze verify /etc/systemd/system/telec-*.{service,timer,path} 2>&1 || true',
    )
    expect(said).toBe('')
  })

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
    expect(await show('telec-restart.service', 'ExecMainStartTimestampMonotonic')).toBe('0') // a process of the same user
    await allIsWebs()
  })

  test('another user is told whose it is; --system asks for it, also where that user has a service', async () => {
    const asOther = (line: string) =>
      subscriber.box.sh(`/opt/telec/telec ${line}`, { user: 'daemon', allowFailure: true })
    for (const [line, as = '-u web ', more = ''] of [
      ['status', '-u web ', '; or create it: telec init --checkout PATH'],
      ['status --system'],
      ['migrate status --system'],
      ['pause --system'],
      ['history --system'], // reads the home alone
      ['install --system', ''],
    ])
      expect(await asOther(line ?? ''), line).toMatchObject({
        code: 78,
        stderr: `telec: daemon ${more ? 'has no configuration' : 'may not read /etc/telec/config.yml'}
  the services in /etc/telec belong to: web
  what to do: sudo ${as}telec ${line}${more}
`,
      })
    expect((await asOther('status --user')).stderr).toMatch(
      /^telec: no configuration: .*\n {2}what to do: create it: telec init --checkout PATH\n$/,
    )
    await asWeb('mkdir -m 700 ~/.teleclaude && cp /etc/telec/config.yml ~/.teleclaude/')
    const shown = async (line: string) => (await asWeb(`/opt/telec/telec ${line}`)).stdout
    const { deployed } = await subscriber.state('update_state.json')
    expect(JSON.parse(await shown('status --system --json')).deployed).toEqual(deployed)
    expect(JSON.parse(await shown('status --user --json')).deployed).toBeNull()
    expect(JSON.parse(await shown('status --json')).deployed).toBeNull()
    expect(await shown('migrate status --system')).toContain('1.1.0/001_node.ts')
    await asWeb('rm -r ~/.teleclaude')
  })

  test('telec doctor finds nothing wrong, as the owner', async () => {
    const { stdout } = await subscriber.telec('telec doctor', { allowFailure: true })
    expect(stdout.split('\n').filter((line) => line.startsWith('✗'))).toEqual([])
    expect(stdout).not.toContain('belongs to root')
  })

  test('telec install looks for the program of a command as the owner will', async () => {
    await asWeb(`mkdir -p ~/.local/bin && ln -s /bin/true ~/.local/bin/only-web
printf '#!/bin/sh\\nid -u >~/ran-by\\n' >~/.local/bin/systemd-run && chmod +x ~/.local/bin/systemd-run`)
    await sh(`cp /etc/telec/config.yml ~/config.yml
sed -i 's,^  install: [^#]*,  install: only-web # ,' /etc/telec/config.yml`)
    expect((await subscriber.telec('telec install')).stderr).toContain(
      'only-web is not found where telec runs it',
    )
    await sh("sed -i 's,^  # path: [^#]*,  path: [~/.local/bin] # ,' /etc/telec/config.yml")
    const { stderr, stdout } = await subscriber.telec('telec install')
    expect(stderr).not.toContain('only-web')
    expect(stdout).toContain('wrote /etc/systemd/system/telec-update.service')
    expect(await sh('grep -o "PATH=[^ ]*" /etc/systemd/system/telec-update.service')).toContain(
      `PATH=${WEB.home}/.local/bin:`,
    )
    expect((await subscriber.telec('telec doctor', { allowFailure: true })).stdout).toMatch(
      /^✓ install +only-web, which is/m,
    )
    await sh('cat ~/config.yml >/etc/telec/config.yml')
    await subscriber.telec('telec install')
    expect(await sh(`ls /root/ran-by ${WEB.home}/ran-by 2>/dev/null || true`)).toBe('')
  })

  test("a checkout below ~/, which would be root's for root and the owner's for telec, is refused", async () => {
    await sh(`cp -p /etc/telec/config.yml ~/config.yml
sed -i 's,^  checkout: .*,  checkout: ~/app,' /etc/telec/config.yml
mkdir -p /root/app/.git && chown -R web /root/app`)
    const refused = {
      code: 78,
      stderr: expect.stringMatching(
        /config\.yml:\d+: the configuration is invalid\n {2}line \d+: deployment\.checkout: got "~\/app"; takes an absolute path in system scope\n/,
      ),
    }
    expect(await subscriber.telec('telec install', { allowFailure: true })).toMatchObject(refused)
    expect(
      await subscriber.box.sh('/opt/telec/telec status', { user: WEB.name, allowFailure: true }),
    ).toMatchObject(refused)
    await sh('rm -r /root/app; cat ~/config.yml >/etc/telec/config.yml')
  })

  test('by hand root hands an update over, and is told what to type for everything else', async () => {
    const asRoot = (line: string) => subscriber.box.sh(`/opt/telec/${line}`, { allowFailure: true })
    await subscriber.systemctl('stop telec-watch.timer telec-update.path')
    const commit = await subscriber.push(version('1.1.1')) // no poll has seen it
    const { code, stdout, stderr } = await asRoot('telec update')
    expect(stderr).toContain('handed over to telec-update.service, since telec runs as web here')
    expect(stdout).toContain('updated: 1.1.1 is deployed')
    expect(code).toBe(0)
    await subscriber.deployed(commit)
    for (const line of [
      'telec status --json',
      'telec doctor',
      'telec pause',
      'telec update --retry',
      'telec-watch',
    ])
      expect(await asRoot(line), line).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(`${HOME} belongs to web, and telec does not act for others as root`),
      })
    expect((await asRoot('telec update --json')).stderr).toContain('sudo -u web telec update --json')
    expect((await asRoot('telec status --json')).stderr).toContain('sudo -u web telec status --json')
    await subscriber.systemctl('start telec-watch.timer telec-update.path')
    await allIsWebs()
  })

  test('by hand root waits for an update that runs already, and is not left waiting', async () => {
    const commit = await subscriber.push({
      ...version('1.1.2'),
      'migrations/v1.1.2/001_waits.mjs': waiting('by-hand'),
    })
    await until('the migration', async () => (await asWeb('ls ~')).stdout.includes('by-hand-started'))
    const byHand = subscriber.box.sh('/opt/telec/telec update', { allowFailure: true })
    await asWeb('touch ~/by-hand-go-on')
    expect(await byHand).toMatchObject({ code: 0 })
    await subscriber.deployed(commit)
  })

  test('by hand root is told that the poll failed, and how to see why', async () => {
    const remote = (what: string) => asWeb(`git -C ${WEB.checkout} remote ${what}`)
    const { stdout: url } = await remote('get-url origin')
    await subscriber.systemctl('stop telec-watch.timer')
    await remote('set-url origin /missing.git')
    const byHand = await subscriber.box.sh('/opt/telec/telec update', { allowFailure: true })
    await remote(`set-url origin ${url}`)
    expect(byHand.code).toBe(75)
    expect(byHand.stderr).toContain('exit code 75; to see why: sudo -u web telec watch\n')
    await asWeb('/opt/telec/telec watch')
    await subscriber.systemctl('start telec-watch.timer')
  })

  test('an owner who may not read the configuration is told how root changes that', async () => {
    await sh('chmod 600 /etc/telec/config.yml')
    const unread = await subscriber.box.sh('/opt/telec/telec status', {
      user: WEB.name,
      allowFailure: true,
    })
    expect(unread).toMatchObject({
      code: 78,
      stderr: `telec: web may not read /etc/telec/config.yml
  what to do: let this user read it: sudo telec install
`,
    })
    await subscriber.telec('telec install')
    expect(await sh('stat --format="%U %G %a" /etc/telec/config.yml')).toBe('root web 640')
  })

  test('an update handed over from inside the service ends, also where it was done at once', async () => {
    const inside = (command: string) =>
      subscriber.box.sh(
        `printf '#!/bin/sh\nwhile [ -e ${HOME}/update_request.json ]; do sleep 0.1; done\nexec /bin/systemctl "$@"\n' |
  install -D /dev/stdin /srv/slow/systemctl
echo $$ >/sys/fs/cgroup/system.slice/${SERVICE}/cgroup.procs
PATH=/srv/slow:$PATH timeout 60 runuser -u ${WEB.name} -- ${subscriber.bin}/${command}`,
        { allowFailure: true },
      )
    const { code, stderr } = await inside('telec-update --retry')
    expect(stderr).toContain('since this runs inside the service')
    expect(code).toBe(0)
    await subscriber.systemctl('stop telec-update.path')
    await sh('rm -r /srv/slow/systemctl && ln -s /bin/systemctl /srv/slow/systemctl')
    const unseen = await subscriber.box.sh(
      `echo $$ >/sys/fs/cgroup/system.slice/${SERVICE}/cgroup.procs
timeout 60 runuser -u ${WEB.name} -- ${subscriber.bin}/telec-update --retry`,
      { allowFailure: true },
    )
    expect(unseen.stderr).toMatch(
      /telec-update\.path is inactive: it does not see[\s\S]*sudo systemctl restart telec-update\.path\n/,
    )
    expect(unseen.code).toBe(1)
    await subscriber.systemctl('start telec-update.path')
  })

  test('a power cut in a migration changes nothing of that', async () => {
    const commit = await subscriber.push({
      ...version('1.2.0'),
      'migrations/v1.2.0/001_waits.mjs': waiting('waited'),
    })
    await until('the migration', async () => (await asWeb('ls ~')).stdout.includes('waited-started'))
    await subscriber.box.cut()
    await subscriber.box.boot()
    await asWeb('touch ~/waited-go-on')
    await subscriber.deployed(commit)
    await allIsWebs()
  })

  test('on the whole road root opens nothing of the checkout, of the state, or of the home of the owner', async () => {
    let commit = ''
    const opened = await whatOpened(subscriber, async () => {
      commit = await subscriber.push({ ...version('1.3.0'), ...sayingMigrations('1.3.0') })
      await subscriber.deployed(commit)
      await until('the unit to have ended', async () =>
        /^(inactive|failed)$/.test(await subscriber.systemctl('is-active telec-update.service')),
      )
    })
    const isTheirs = ({ path }: { path: string }) => path.startsWith(WEB.home) || path.startsWith(HOME)
    const web = Number(await sh(`id -u ${WEB.name}`))
    const theirs = opened.filter(isTheirs)
    expect(theirs.filter(({ uid, program }) => uid === web && program === 'git').length).toBeGreaterThan(10)
    expect(theirs.filter(({ uid }) => uid !== web)).toEqual([])
    expect(opened.some(({ uid, program }) => uid === 0 && /^(node|telec.*|git)$/.test(program))).toBe(false)
  })

  test('what the owner forges in the home leads root nowhere', async () => {
    await subscriber.systemctl('stop telec-watch.timer telec-update.path')
    await sh('mkdir -p /srv/precious && touch /srv/precious/keep')
    await asWeb(`cd ${HOME} && echo '{"manager":"systemd","scope":"system","files":["/srv/precious/keep"],"folders":["/srv/precious"]}' >installed.json
mv update_state.json kept && mkfifo update_state.json && ln -s /etc/shadow pause.json`)
    await subscriber.telec('telec uninstall')
    await asWeb(
      `mkdir -p -m 700 ~/.teleclaude && cp ${HOME}/installed.json ~/.teleclaude && echo 'deployment: {checkout: ${WEB.checkout}}' >~/.teleclaude/config.yml`,
    )
    for (const home of [`HOME=${WEB.home}`, `TELEC_HOME=${WEB.home}/.teleclaude`])
      for (const line of ['uninstall', `init --name other --checkout ${WEB.checkout}`])
        expect(
          await subscriber.box.sh(`${home} /opt/telec/telec ${line}`, { allowFailure: true }),
          line,
        ).toMatchObject({ code: 2 })
    expect(await sh(`find ${WEB.home}/.teleclaude ! -user ${WEB.name}`)).toBe('')
    await asWeb('rm -r ~/.teleclaude')
    expect(await sh('ls /srv/precious')).toBe('keep')
    expect(await sh('ls /etc/systemd/system | grep telec || true')).toBe('')
    await asWeb(`cd ${HOME} && rm installed.json update_state.json pause.json && mv kept update_state.json`)
    await subscriber.telec('telec install')
  })

  test("signatures are checked in the owner's name, against keys of root that others may read", async () => {
    await subscriber.systemctl('stop telec-watch.timer telec-update.path')
    await sh(`ssh-keygen -q -t ed25519 -N '' -f ~/key
echo "ada@example.org $(cat ~/key.pub)" >/etc/telec/signers && chmod 600 /etc/telec/signers
sed -i 's,^deployment:,deployment:\\n  verify: signed-commit\\n  allowed_signers: /etc/telec/signers,' /etc/telec/config.yml
git clone --quiet ${subscriber.remote} ~/work`)
    const commitBy = async (flags: string) => {
      const identity =
        '-c user.name=Ada -c user.email=ada@example.org -c gpg.format=ssh -c user.signingkey=~/key'
      await sh(`cd ~/work && git ${identity} commit --quiet --allow-empty -m change ${flags}`)
      const commit = await sh('git -C ~/work rev-parse HEAD')
      await sh(`git -C ~/work push --quiet ${subscriber.remote} HEAD:main`)
      await subscriber.telec('telec-watch')
      const ended = await subscriber.telec('telec-update --retry', { allowFailure: true })
      return { commit, ...ended }
    }
    const unread = await commitBy('--gpg-sign')
    expect(unread.stderr).toContain('allowed_signers is /etc/telec/signers, which web may not read')
    await sh('chmod 644 /etc/telec/signers')
    const signed = await commitBy('--gpg-sign')
    expect(signed).toMatchObject({ code: 0 })
    await subscriber.deployed(signed.commit)
    const unsigned = await commitBy('--no-gpg-sign')
    expect(unsigned.code).toBe(1)
    expect(unsigned.stderr).toContain('is not signed')
    await allIsWebs()
  })

  test('a link by which the owner would have telec act as another user is refused at the next install', async () => {
    await sh(`cp -r ${WEB.checkout} /srv/root-app && chown -R root /srv/root-app`)
    await asWeb('mv ~/app ~/app.kept && ln -s /srv/root-app ~/app')
    const update = await subscriber.telec('telec-update', { allowFailure: true })
    expect(update.stderr).toMatch(/belongs to another user \(uid 0, telec runs as \d+\)/)
    const { code, stderr } = await subscriber.telec('telec install', { allowFailure: true })
    expect(code).toBe(78)
    expect(stderr).toMatch(/which others can change or replace \(it belongs to uid \d+\)/)
  })
})

describe('services of several users in system scope', () => {
  let subscriber: Subscriber
  const sh = async (script: string) => (await subscriber.sh(script)).stdout.trim()

  beforeAll(async () => {
    subscriber = await subscribe('system', { healthy_after: '0s' })
    await giveToWeb(subscriber)
    await subscriber.box.sh(`useradd --create-home bob
git clone --quiet "$(git -C ${WEB.checkout} -c safe.directory='*' remote get-url origin)" /home/bob/app
chown -R bob: /home/bob && chmod 700 /home/bob`)
  })
  afterAll(() => subscriber?.dispose())

  test('none of them gets a home inside that of another user', async () => {
    await subscriber.telec('telec install --name -')
    await subscriber.box.sh(`cp -r ${WEB.checkout} ${WEB.home}/two && chown -R web: ${WEB.home}/two`)
    await subscriber.telec(`telec init --system --name two --checkout ${WEB.home}/two`)
    await subscriber.telec('telec install two')
    expect(await sh('stat --format="%U %a" /var/lib/telec/services/two')).toBe('web 700')
    await sh('systemctl stop telec-watch@two.timer && mkdir -p /srv/theirs/two && touch /srv/theirs/two/file')
    await subscriber.box.sh('cd /var/lib/telec && mv services away && ln -s /srv/theirs services', {
      user: 'web',
    })
    await subscriber.systemctl('start telec-watch@two.service')
    expect(await sh('stat --format=%U /srv/theirs/two /srv/theirs/two/file')).toBe('root\nroot')
    await subscriber.telec('telec uninstall two')
    await sh('rm /etc/telec/services/two.yml /var/lib/telec/services')
    await subscriber.telec('telec init --system --name bob --checkout /home/bob/app')
    await sh("sed -i 's/# poll_every: [^ ]*/poll_every: 5s/' /etc/telec/services/bob.yml")
    const { code, stderr } = await subscriber.telec('telec install bob', { allowFailure: true })
    expect(code).toBe(78)
    expect(stderr).toMatch(
      /bob would own \S+services\/bob, and web \/var\/lib\/telec: one is inside the other/,
    )
    await subscriber.telec('telec uninstall --name -')
    await sh('mv /etc/telec/config.yml /etc/telec/services/web.yml')
    const still = await subscriber.telec('telec install bob', { allowFailure: true })
    expect(still.stderr).toMatch(
      /\/var\/lib\/telec belongs to uid \d+, .*\n.*sudo chown root \/var\/lib\/telec/,
    )
    await sh('chown root /var/lib/telec && chmod 755 /var/lib/telec')
  })

  test('each with a name runs as its own owner, and reads nothing of the other', async () => {
    for (const name of ['web', 'bob']) await subscriber.telec(`telec install ${name}`)
    const commit = await subscriber.push(version('1.1.0'))
    for (const name of ['web', 'bob'])
      await until(`${name} to be updated`, async () => {
        const said = await subscriber.box.sh(`/opt/telec/telec status --json`, {
          user: name,
          allowFailure: true,
        })
        return (JSON.parse(said.stdout) as { deployed: { commit: string } }).deployed.commit === commit
      })
    expect(await sh('stat --format="%U %a" /var/lib/telec/services/*')).toBe('bob 700\nweb 700')
    expect(await sh('stat --format="%U:%G %a" /etc/telec/services/*.yml')).toBe('root:bob 640\nroot:web 640')
    const { stdout: ofRoot } = await subscriber.box.sh('/opt/telec/telec status', { allowFailure: true })
    for (const name of ['web', 'bob'])
      expect(ofRoot).toMatch(
        new RegExp(`^${name}: .* belongs to ${name}, and telec does not act for others`, 'm'),
      )
    const other = await subscriber.box.sh('/opt/telec/telec status web', { user: 'bob', allowFailure: true })
    expect(other.stderr).toContain('bob may not read /etc/telec/services/web.yml')
    for (const line of ['status web', 'status --system --name web']) {
      const stranger = await subscriber.box.sh(`/opt/telec/telec ${line}`, {
        user: 'daemon',
        allowFailure: true,
      })
      expect(stranger.stderr).toMatch(/daemon may not read .*\n.* belong to: web\n.*sudo -u web telec status/)
    }
  })
})

test('a telec 0.1 that ran as root is taken over, with the update that waits', async () => {
  const subscriber = await subscribe('system', { healthy_after: '0s' })
  onTestFinished(() => subscriber.dispose())
  const sh = async (script: string) => (await subscriber.sh(script)).stdout.trim()
  await giveToWeb(subscriber)
  await subscriber.telec('telec install')
  await subscriber.systemctl('stop telec-watch.timer telec-update.path telec-update.timer')
  const commit = await subscriber.push(version('1.1.0'))
  await subscriber.telec('telec-watch')
  await subscriber.telec('telec uninstall')
  const old = ['telec-poll.service', 'telec-poll.timer', 'telec-watch.service.d/lookout.conf']
  await sh(`mkdir -p /etc/systemd/system/telec-watch.service.d
printf '[Service]\nUser=telec-watch\n' >/etc/systemd/system/telec-watch.service.d/lookout.conf
printf '[Service]\nExecStart=/bin/true\n' >/etc/systemd/system/telec-poll.service
printf '[Timer]\nOnActiveSec=1h\n[Install]\nWantedBy=timers.target\n' >/etc/systemd/system/telec-poll.timer
systemctl daemon-reload && systemctl enable --now --quiet telec-poll.timer
chown -R root: ${HOME} && chmod 700 /etc/telec && chmod 600 /etc/telec/config.yml && chown root: /etc/telec/config.yml
cat >${HOME}/installed.json <<'JSON'
${JSON.stringify({ manager: 'systemd', scope: 'system', files: old.map((name) => `/etc/systemd/system/${name}`) })}
JSON`)
  const { stdout } = await subscriber.telec('telec install')
  for (const name of old) expect(stdout).toContain(`removed /etc/systemd/system/${name}\n`)
  expect(await subscriber.systemctl('is-active telec-poll.timer')).toBe('inactive')
  await subscriber.deployed(commit)
  expect(await sh(`find ${HOME} ! -user ${WEB.name}`)).toBe('')
  expect(await subscriber.systemctl('list-units --failed --plain --no-legend')).toBe('')
})
