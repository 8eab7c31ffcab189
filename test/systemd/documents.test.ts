import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Box } from '../helpers/box.ts'
import { bootBox } from '../helpers/box.ts'
import { type Computer, makeComputer, version } from '../helpers/computer.ts'
import { blocksOf, commandsOf } from '../helpers/documents.ts'
import { type GitServer, serveGit } from '../helpers/git-server.ts'
import { execute, ROOT, succeed } from '../helpers/programs.ts'
import { startRedis } from '../helpers/redis.ts'
import { SERVER } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

const EXAMPLE = readFileSync(join(ROOT, 'migrations/v1.1.0/001_example.ts'), 'utf8')

/** A newcomer's computer: node, git and a service of their own, and the package of telec, which is not published yet. */
let box: Box
let computer: Computer
let server: GitServer
let packed: string

beforeAll(async () => {
  computer = await makeComputer({ init: false })
  const lock = {
    name: 'web',
    version: '1.0.0',
    lockfileVersion: 3,
    packages: { '': { name: 'web', version: '1.0.0' } },
  }
  await computer.push({ ...version('1.0.0'), 'package-lock.json': JSON.stringify(lock), 'server.js': SERVER })
  const out = await succeed('npm', ['pack', '--ignore-scripts', '--pack-destination', computer.folder], {
    cwd: ROOT,
  })
  packed = join(computer.folder, out.split('\n').at(-1) ?? '')
  await succeed('chmod', ['755', computer.folder])
  server = await serveGit(computer.folder)
  box = await bootBox({ bind: [computer.folder] })
  await box.addUser('ada')
  await box.sh(
    `git clone --quiet ${server.url('remote.git')} ~/apps/web
mkdir -p ~/.config/systemd/user
cat >~/.config/systemd/user/web.service <<UNIT
[Service]
WorkingDirectory=%h/apps/web
ExecStart=${process.execPath} server.js
Restart=on-failure
[Install]
WantedBy=default.target
UNIT
systemctl --user enable --now --quiet web.service`,
    { user: 'ada' },
  )
})

afterAll(async () => {
  await box?.down()
  server?.close()
  computer?.dispose()
})

/** A line of a document, as the newcomer types it; `sudo` is root or a user, and the package comes from a file. */
async function type(line: string, cwd = '/home/ada'): Promise<string> {
  const [, sudo, other, command = ''] = /^(sudo (?:-u (\w+) )?)?(.*)$/.exec(line) ?? []
  const script = command
    .replace(/^npm pack$/, `cp ${packed} .`)
    .replace('npm install --global', 'npm install --global --offline')
  const options = other ? { user: other } : sudo ? { env: { USER: 'ada' }, cwd } : { user: 'ada', cwd }
  const { code, stdout, stderr } = await box.sh(script, { ...options, allowFailure: true })
  expect({ line, code, output: code === 0 ? '' : stdout + stderr }).toEqual({ line, code: 0, output: '' })
  return stderr + stdout
}

/** Lines of output with everything that differs between two runs replaced. */
function comparable(output: string): string[] {
  return output
    .replace(/\b[0-9a-f]{12}\b/g, 'COMMIT')
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}/g, 'TIME')
    .replace(/\b\d+\.\d s\b/g, 'N s')
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
}

async function arrived(commit: string, user: string): Promise<void> {
  await until(`${commit} to be deployed`, async () => {
    const { stdout } = await box.sh('PATH=~/prefix/bin:$PATH telec status --json', { user })
    const { deployed, update } = JSON.parse(stdout) as { deployed: { commit: string }; update: unknown }
    return deployed.commit === commit && update === null
  })
}

describe('a newcomer types what the documents show, and each of it works', () => {
  test('README.md: from nothing to a service that updates itself', async () => {
    const commands = commandsOf('README.md')
    // The two that this test is run by, or beside: scripts/test runs the demo, too.
    expect(commands.slice(0, 2)).toEqual(['./scripts/demo', './scripts/test'])
    let printed = ''
    for (const line of commands.slice(2)) printed += await type(line)

    const commit = await computer.push(version('1.1.0'), { message: 'serve the new front page' })
    await type('telec-watch')
    await arrived(commit, 'ada')
    printed += await type('telec history')

    const session = blocksOf('README.md', 'text').find(({ text }) => text.startsWith('$ telec init'))
    const shown = comparable(session?.text ?? '').filter((line) => !line.startsWith('$ '))
    expect(shown.length).toBeGreaterThan(10)
    expect(comparable(printed)).toEqual(expect.arrayContaining(shown))
  })

  test('docs/operating.md, all but the end', async () => {
    await type('git clone --quiet "$(git -C ~/apps/web remote get-url origin)" ~/apps/worker')
    await type(
      'cd ~/.config/systemd/user && sed s#apps/web#apps/worker# web.service >worker.service && systemctl --user start worker',
    )
    await box.sh(`useradd --create-home web && mkdir -p /srv/web && chown web /srv/web
cat >/etc/systemd/system/web.service <<UNIT
[Service]
User=web
WorkingDirectory=/srv/web/app
ExecStart=${process.execPath} server.js
UNIT`)
    await type(`sudo -u web git clone --quiet ${server.url('remote.git')} /srv/web/app`)
    await type('sudo systemctl start web.service')
    for (const line of commandsOf('docs/operating.md')) if (line !== 'telec uninstall') await type(line)
    // That moved the checkout; the other documents use its old path.
    await type('systemctl --user stop web.service && mv ~/srv/web ~/apps/web')
    await type("sed -i 's,srv/web,apps/web,' ~/.config/systemd/user/web.service ~/.teleclaude/config.yml")
    await type('systemctl --user daemon-reload && systemctl --user start web.service && telec install')
  })

  test('migrations/README.md', async () => {
    await type(
      'mkdir -p test/fixtures/home && printf "deployment:\\n  poll: 60s\\n" >test/fixtures/home/config.yml',
      '/home/ada/apps/web',
    )
    for (const line of commandsOf('migrations/README.md')) {
      await type(line, '/home/ada/apps/web')
      // What a user writes into the template: here the example that the document points to.
      if (line.startsWith('telec-migrate new'))
        await box.sh(`cat >~/apps/web/migrations/v*/001_*.ts`, { user: 'ada', input: EXAMPLE })
    }
    await type('rm -r test migrations', '/home/ada/apps/web')
  })

  test('docs/fleet.md', async () => {
    const redis = await startRedis()
    await redis.client().zadd('system_status:computers', 1, 'attic') // heard of long ago
    await type(`printf 'redis:\\n  url: ${redis.url}\\n' >>~/.teleclaude/config.yml && telec install`)
    for (const line of commandsOf('docs/fleet.md'))
      await type(line, line.includes('.github/workflows') ? '/home/ada/apps/web' : undefined)
    await type('test -s ~/fleet.html && test -s ~/apps/web/.github/workflows/release.yml')
    await type('rm -r .github', '/home/ada/apps/web')
  })

  test('docs/operating.md: the end', async () => {
    expect(commandsOf('docs/operating.md')).toContain('telec uninstall')
    await type('telec uninstall')
    await type('systemctl --user is-active web.service')
    await type('! systemctl --user list-unit-files | grep telec')
  })

  test('CONTRIBUTING.md has the scripts that there are', async () => {
    for (const line of commandsOf('CONTRIBUTING.md')) {
      const [script = ''] = line.split(' ')
      expect(await execute('test', ['-x', join(ROOT, script)])).toMatchObject({ code: 0 })
    }
  })
})

describe('the npm package', () => {
  const PROGRAMS = ['telec', 'telec-migrate', 'telec-update', 'telec-watch']
  const completion = (name: string) => `dist/completions/${name}`

  test('has what an installation needs, and nothing else', async () => {
    const files = (await succeed('tar', ['-tzf', packed]))
      .split('\n')
      .map((name) => name.replace(/^package\//, ''))
    expect(new Set(files)).toEqual(
      new Set([
        'CHANGELOG.md',
        'CONTRIBUTING.md',
        'LICENSE',
        'README.md',
        'SECURITY.md',
        ...['_telec', '_telec-migrate', '_telec-update', '_telec-watch'].map(completion),
        ...PROGRAMS.flatMap((name) => [completion(`${name}.bash`), completion(`${name}.fish`)]),
        ...PROGRAMS.map((name) => `dist/man/${name}.1`),
        'dist/THIRD-PARTY-NOTICES',
        'dist/package.json',
        ...PROGRAMS.map((name) => `dist/${name}`),
        'docs/architecture.md',
        ...['architecture', 'demo', 'fleet', 'halt', 'services', 'status'].map((name) => `docs/${name}.svg`),
        'docs/config.schema.json',
        'docs/configuration.md',
        ...['go', 'make', 'npm', 'python'].flatMap((kind) => [
          `docs/examples/${kind}/ci.yml`,
          `docs/examples/${kind}/release.yml`,
        ]),
        'docs/fleet.md',
        'docs/grafana-dashboard.json',
        'docs/notifications.md',
        'docs/operating.md',
        'docs/private-repositories.md',
        'docs/prometheus-alerts.yml',
        'migrations/README.md',
        'migrations/v1.1.0/001_example.ts',
        'package.json',
      ]),
    )
  })

  test('installed into an empty prefix of a user, it sets up a computer', async () => {
    await box.addUser('eve')
    const { stdout } = await box.sh(
      `npm install --global --offline --prefix ~/prefix ${packed} >/dev/null
export PATH=~/prefix/bin:$PATH
git clone --quiet ${server.url('remote.git')} ~/web
mkdir -p ~/.config/systemd/user
printf '[Service]\\nWorkingDirectory=%%h/web\\nExecStart=${process.execPath} server.js\\n' >~/.config/systemd/user/web.service
systemctl --user start web.service
telec init --checkout ~/web --service web.service
telec install
telec doctor
telec completion bash | grep --count '^complete '
ls ~/prefix/share/man/man1
systemctl --user show --property=ExecStart --value telec-watch.service`,
      { user: 'eve' },
    )
    expect(stdout).toContain('telec is installed: telec status')
    expect(stdout).toContain('\n4\ntelec-migrate.1\ntelec-update.1\ntelec-watch.1\ntelec.1\n')
    expect(stdout).toContain('/home/eve/prefix/lib/node_modules/telec/dist/telec-watch')
    const commit = await computer.push(version('1.2.0'))
    await box.sh('~/prefix/bin/telec-watch', { user: 'eve' })
    await arrived(commit, 'eve')
  })
})
