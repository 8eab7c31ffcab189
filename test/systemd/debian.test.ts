import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Box, bootBox } from '../helpers/box.ts'
import { type Computer, makeComputer, version } from '../helpers/computer.ts'
import { asVersion, debianPackage, nodePackage } from '../helpers/debian.ts'
import { type GitServer, serveGit } from '../helpers/git-server.ts'
import { requireTool } from '../helpers/missing-tool.ts'
import { succeed } from '../helpers/programs.ts'
import { SERVER } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

/** A computer with Debian's dpkg, Node.js as a package, and a service of ada's. */
let box: Box
let computer: Computer
let server: GitServer
let folder: string
let first: string
let second: string

beforeAll(async () => {
  requireTool('man', 'man-db')
  requireTool('dpkg-scanpackages', 'dpkg-dev')
  folder = mkdtempSync(join(tmpdir(), 'telec-debian-'))
  await succeed('chmod', ['755', folder])
  first = await debianPackage(folder)
  second = await asVersion(first, '0.2.0')
})

beforeAll(async () => {
  computer = await makeComputer({ init: false })
  await succeed('chmod', ['755', computer.folder])
  await computer.push({ ...version('1.0.0'), 'server.js': SERVER })
  server = await serveGit(computer.folder)
  box = await bootBox({ bind: [folder, computer.folder] })
  await box.addUser('ada')
  await box.exec(['dpkg', '--install', await nodePackage(folder)])
  await asAda(`git clone --quiet ${server.url('remote.git')} ~/web
mkdir -p ~/.config/systemd/user
printf '[Service]\\nWorkingDirectory=%%h/web\\nExecStart=node server.js\\nRestart=on-failure\\n' >~/.config/systemd/user/web.service
systemctl --user start web.service`)
})
afterAll(async () => {
  await box?.down()
  server?.close()
  computer?.dispose()
  rmSync(folder, { recursive: true, force: true })
})

const asAda = async (script: string) => (await box.sh(script, { user: 'ada' })).stdout.trim()

async function deployed(commit: string): Promise<void> {
  await until(`${commit} to be deployed`, async () => {
    const { deployed, update } = JSON.parse(await asAda('telec status --json')) as Record<string, unknown>
    return (deployed as { commit: string }).commit === commit && update === null
  })
}

test('installed with dpkg, its programs, manual pages and completions are where Debian looks for them', async () => {
  await box.exec(['dpkg', '--install', first])
  expect(await asAda('telec --version')).toContain('telec 0.1.0 (')
  for (const program of ['telec', 'telec-watch', 'telec-update', 'telec-migrate']) {
    expect(await asAda(`command -v ${program}`)).toBe(`/usr/bin/${program}`)
    expect(await asAda(`man -w ${program}`)).toBe(`/usr/share/man/man1/${program}.1.gz`)
  }
  expect(await asAda('telec completion bash | grep --count "^complete "')).toBe('4')
  expect(await asAda('zsh -c "autoload -Uz compinit && compinit -D && echo \\$_comps[telec-update]"')).toBe(
    '_telec-update',
  )
  expect(await asAda('fish -c "complete --do-complete \'telec pau\'"')).toMatch(/^pause\b/)
  expect(await asAda('. /usr/share/bash-completion/completions/telec && complete -p telec')).toContain(
    'telec',
  )
})

test('a service that it sets up takes a push; the units name paths that an upgrade keeps', async () => {
  await asAda('telec init --checkout ~/web --service web.service && telec install && telec doctor')
  const units = await asAda('grep -h ^ExecStart= ~/.config/systemd/user/telec-*.service')
  expect(units).toContain('/usr/bin/node /usr/lib/telec/telec-update')
  expect(units).toContain('/usr/lib/telec/telec-watch')
  const commit = await computer.push(version('1.1.0'))
  await asAda('telec watch')
  await deployed(commit)
})

test('after an upgrade the same units start the new telec, and nothing has to be run', async () => {
  const units = await asAda('cat ~/.config/systemd/user/telec-*')
  // An apt repository of one's own, in a folder; the computer has no other.
  await box.sh(`mkdir /srv/apt && cp ${first} ${second} /srv/apt && cd /srv/apt
dpkg-scanpackages --multiversion . >Packages 2>/dev/null
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/apt ./' >/etc/apt/sources.list`)
  expect(await asAda('telec doctor')).not.toContain('is available:')
  await box.exec(['apt-get', 'update'])
  expect(await asAda('telec doctor')).toContain('); 0.2.0 is available: sudo apt-get install telec\n')
  expect(await asAda('telec status')).toContain('0.2.0 is available: sudo apt-get install telec\n')
  await box.exec(['apt-get', 'install', '--yes', 'telec'])
  expect(await asAda('telec status')).not.toContain('is available:')
  expect(await asAda('telec --version')).toContain('telec 0.2.0 (')
  expect(await asAda('telec doctor')).toContain('as telec install would write them')
  expect(await asAda('cat ~/.config/systemd/user/telec-*')).toBe(units)
  const commit = await computer.push(version('1.2.0'))
  await asAda('systemctl --user start telec-watch.service')
  await deployed(commit)
  expect(JSON.parse(await asAda('cat ~/.teleclaude/status.json'))).toMatchObject({
    telec: '0.2.0',
  })
})

test('to remove it while units start it works, and names them', async () => {
  const { stderr } = await box.exec(['dpkg', '--remove', 'telec'])
  expect(stderr).toContain(
    'telec: /home/ada/.config/systemd/user/telec-watch.service starts telec, which is removed: install telec again and run telec uninstall\n',
  )
  await box.exec(['dpkg', '--install', second])
  expect(await asAda('telec doctor')).toContain('as telec install would write them') // they work again
})

test('after telec uninstall and purge only its home and its refs in the checkout are left', async () => {
  await asAda('telec uninstall')
  const { stderr } = await box.exec(['dpkg', '--purge', 'telec'])
  expect(stderr).toBe('')
  const { stdout } = await box.sh("find /etc /home /usr /var/lib -name '*telec*' | sort")
  expect(stdout.split('\n').filter(Boolean)).toEqual([
    '/home/ada/.cache/telec', // what telec doctor was told
    '/home/ada/.teleclaude',
    '/home/ada/.teleclaude/telec.lock',
    '/home/ada/web/.git/refs/telec',
  ])
  expect(await asAda('systemctl --user is-active web.service')).toBe('active')
})

test('it needs Node.js 20.19 and git 2.30', async () => {
  const depends = await succeed('dpkg-deb', ['--field', first, 'Depends'])
  expect(depends).toBe('nodejs (>= 20.19), git (>= 1:2.30)')
  const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } }
  expect(engines.node).toBe('>=20.19')
})
