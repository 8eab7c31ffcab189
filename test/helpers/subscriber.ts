import { chmodSync, cpSync } from 'node:fs'
import { join } from 'node:path'
import { type Box, bootBox, type ExecOptions, type Finished } from './box.ts'
import { type Computer, makeComputer, version } from './computer.ts'
import { type GitServer, serveGit } from './git-server.ts'
import { DIST } from './programs.ts'
import { until } from './until.ts'

export type Scope = 'user' | 'system'

/** A box with a service of its own, kept up to date by telec from a remote outside. */
export interface Subscriber {
  readonly box: Box
  /** The folder of the bundles. */
  readonly bin: string
  /** The remote, which the box can write to as well. */
  readonly remote: string
  /** Pushes to the remote from outside. */
  readonly push: Computer['push']
  /** A bash script as the user who owns the service (root in system scope). */
  sh(script: string, options?: ExecOptions): Promise<Finished>
  /** One of the bundles, by its name and arguments. */
  telec: (commandLine: string, options?: ExecOptions) => Promise<Finished>
  /** `systemctl --user` or `--system` with these arguments; its output, trimmed. */
  systemctl(args: string): Promise<string>
  /** A state file of telec, parsed. */
  state(name: string): Promise<Record<string, unknown>>
  /** Resolves when this commit is recorded as deployed. */
  deployed(commit: string): Promise<void>
  /** Resolves when the update to this commit is recorded as halted. */
  halted(commit: string): Promise<void>
  /** Resolves after one more whole poll. */
  polledAgain(): Promise<void>
  dispose(): Promise<void>
}

const OWNER = 'ada'
export const SERVICE = 'web.service'

/** Says its version as it starts, so that the journal shows which code runs; exits with 42 on SIGTERM. */
export const SERVER = `const { version } = require('./package.json')
console.log('web ' + version)
process.on('SIGTERM', () => process.exit(42))
setInterval(() => {}, 60000)
`

const LAYOUT = {
  user: {
    home: '~/.teleclaude',
    config: '~/.teleclaude/config.yml',
    units: '~/.config/systemd/user',
    target: 'default.target',
  },
  system: {
    home: '/var/lib/telec',
    config: '/etc/telec/config.yml',
    units: '/etc/systemd/system',
    target: 'multi-user.target',
  },
}

/** Boots a box whose service runs version 1.0.0, with telec configured and not yet installed. */
export async function subscribe(
  scope: Scope,
  config: Readonly<Record<string, string>> = {},
): Promise<Subscriber> {
  const computer = await makeComputer({ init: false })
  chmodSync(computer.folder, 0o755)
  cpSync(DIST, join(computer.folder, 'bin'), { recursive: true })
  await computer.push({ ...version('1.0.0'), 'server.js': SERVER })
  const server: GitServer = await serveGit(computer.folder)
  const box = await bootBox({ bind: [computer.folder] })
  const layout = LAYOUT[scope]
  const as = (options?: ExecOptions): ExecOptions =>
    scope === 'user' ? { ...options, user: OWNER } : { ...options }
  const subscriber: Subscriber = {
    box,
    bin: '/opt/telec',
    remote: computer.remote,
    push: computer.push,
    sh: (script, options) => box.sh(script, as(options)),
    telec: (commandLine, options) => box.sh(`${subscriber.bin}/${commandLine}`, as(options)),
    systemctl: async (args) =>
      (await subscriber.sh(`systemctl --${scope} --no-pager ${args} || true`)).stdout.trim(),
    state: async (name) => JSON.parse((await subscriber.sh(`cat ${layout.home}/${name}`)).stdout),
    async deployed(commit) {
      await until(`${commit} to be deployed`, async () => {
        const { deployed } = await subscriber.state('update_state.json')
        return (deployed as { commit: string }).commit === commit
      })
    },
    async halted(commit) {
      await until(`the update to ${commit} to halt`, async () => {
        const { halted } = await subscriber.state('update_state.json')
        return (halted as { target: { commit: string } } | null)?.target.commit === commit
      })
    },
    async polledAgain() {
      const polledAt = async () => {
        const { stdout } = await subscriber.telec('telec status --json')
        return (JSON.parse(stdout) as { watch: { polled_at: string } | null }).watch?.polled_at
      }
      const before = await polledAt()
      await until('another poll', async () => (await polledAt()) !== before)
    },
    async dispose() {
      await box.down()
      server.close()
      computer.dispose()
    },
  }
  await box.sh(`cp -r ${computer.folder}/bin /opt/telec`) // /tmp is private to units that are locked in
  if (scope === 'user') await box.addUser(OWNER)
  await subscriber.sh(
    `git clone --quiet ${server.url('remote.git')} ~/app
mkdir -p ${layout.units}
cat >${layout.units}/${SERVICE} <<UNIT
[Service]
WorkingDirectory=$HOME/app
ExecStart=${process.execPath} server.js
# systemd does not log an exit that counts as a success.
ExecStopPost=/bin/sh -c 'echo "\\$EXIT_STATUS" >>%h/exits'
Restart=on-failure
[Install]
WantedBy=${layout.target}
UNIT
systemctl --${scope} enable --now --quiet ${SERVICE}`,
  )
  const flags = scope === 'system' ? '--system' : ''
  await subscriber.telec(`telec init ${flags} --checkout ~/app --service ${SERVICE}`)
  const edits = Object.entries({ poll_every: '5s', ...config })
  for (const [key, value] of edits)
    await subscriber.sh(`sed -i 's/# ${key}: [^ ]*/${key}: ${value}/' ${layout.config}`)
  return subscriber
}
