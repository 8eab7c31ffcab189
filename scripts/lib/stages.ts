// Where the demo runs: three ways to have a real service manager, each taken away again.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Stage {
  /** Its description, for the first line of the demo. */
  readonly what: string
  /** Arguments that tell telec init about the service. */
  readonly initArguments: readonly string[]
  /** Runs a program where the service runs; its output. Throws when it fails. */
  run(...command: readonly string[]): string
  /** Starts the service and telec's polling; `onLine` gets each line that either logs from then on. */
  start(onLine: (line: string) => void): void
  close(): void
}

/** The folders of the demo; `bin` holds copies of the bundles, so that any user can read them. */
export interface DemoFolders {
  readonly root: string
  readonly folder: string
  readonly bin: string
  readonly checkout: string
}

const SERVICE = 'telec-demo.service'

/** The best stage that this machine has. */
export function findStage(folders: DemoFolders, embedded: boolean): Stage {
  cpSync(join(folders.root, 'dist'), folders.bin, { recursive: true })
  if (!embedded && process.platform === 'linux') {
    const stage =
      process.getuid?.() === 0 ? boxStage(folders) : userSystemdIsFree() ? userStage(folders) : null
    if (stage) return stage
  }
  return embeddedStage(folders)
}

function serviceUnit({ checkout }: DemoFolders, wantedBy: string): string {
  return `[Unit]
Description=The service of telec's demo

[Service]
WorkingDirectory=${checkout}
ExecStart=${process.execPath} server.js

[Install]
WantedBy=${wantedBy}
`
}

/** A computer of its own, booted in namespaces: nothing of this machine is touched. Null where that cannot be. */
function boxStage(folders: DemoFolders): Stage | null {
  const box = join(folders.root, 'test/systemd/box')
  const name = `demo-${process.pid}`
  const run = (...command: readonly string[]) => output(box, ['exec', name, '--', ...command])
  const log = follower(box, ['exec', name, '--', ...followArguments('--system')])
  try {
    output(box, ['up', name, '--bind', folders.folder])
  } catch (error) {
    console.log(
      `No computer can be booted in namespaces here:\n${(error as { stderr?: string }).stderr ?? error}`,
    )
    return null
  }
  writeFileSync(join(folders.folder, SERVICE), serviceUnit(folders, 'multi-user.target'))
  run('cp', join(folders.folder, SERVICE), `/etc/systemd/system/${SERVICE}`)
  return {
    what: 'a real systemd, booted in namespaces of this machine',
    initArguments: ['--system', '--service', SERVICE],
    run,
    start(onLine) {
      log.start(onLine)
      run('systemctl', 'enable', '--now', '--quiet', SERVICE)
      run(join(folders.bin, 'telec'), 'install')
    },
    close() {
      log.close()
      output(box, ['down', name])
    },
  }
}

/** The systemd of the user who runs the demo; only where no telec of theirs would be in the way. */
function userStage(folders: DemoFolders): Stage {
  const unit = join(homedir(), '.config/systemd/user', SERVICE)
  const env = { ...process.env, TELEC_HOME: join(folders.folder, 'home') }
  const run = ([program = '', ...args]: readonly string[]) => output(program, args, env)
  const log = follower('journalctl', followArguments('--user').slice(1))
  mkdirSync(join(unit, '..'), { recursive: true })
  writeFileSync(unit, serviceUnit(folders, 'default.target'))
  run(['systemctl', '--user', 'daemon-reload'])
  return {
    what: "this user's systemd",
    initArguments: ['--service', SERVICE],
    run: (...command) => run(command),
    start(onLine) {
      log.start(onLine)
      run(['systemctl', '--user', 'start', SERVICE])
      run([join(folders.bin, 'telec'), 'install'])
    },
    close() {
      log.close()
      run([join(folders.bin, 'telec'), 'uninstall'])
      run(['systemctl', '--user', 'stop', SERVICE])
      rmSync(unit)
      run(['systemctl', '--user', 'daemon-reload'])
    },
  }
}

function userSystemdIsFree(): boolean {
  if (existsSync(join(homedir(), '.config/systemd/user/telec-watch.timer'))) return false
  try {
    output('systemctl', ['--user', 'show', '--property=Version'])
    return true
  } catch {
    return false
  }
}

/** `telec run` in the foreground, as in a container. */
function embeddedStage(folders: DemoFolders): Stage {
  const env = { ...process.env, TELEC_HOME: join(folders.folder, 'home') }
  const telecRun = [
    join(folders.bin, 'telec'),
    'run',
    '--',
    process.execPath,
    join(folders.checkout, 'server.js'),
  ]
  const log = follower('env', [`TELEC_HOME=${env.TELEC_HOME}`, ...telecRun])
  return {
    what: 'telec run, in the foreground (no systemd here)',
    initArguments: [],
    run: (program = '', ...args) => output(program, args, env),
    start: (onLine) => log.start(onLine),
    close: () => log.close(),
  }
}

function followArguments(scope: '--system' | '--user'): string[] {
  const units = ['telec-watch.service', 'telec-update.service', SERVICE]
  const chosen = units.flatMap((unit) => [scope === '--user' ? '--user-unit' : '--unit', unit])
  // From now on, including lines from before journalctl is up.
  const now = `--since=@${Math.floor(Date.now() / 1000)}`
  return ['journalctl', '--follow', '--no-tail', now, '--output=cat', ...chosen]
}

/** A program whose lines are read as they come. */
function follower(program: string, args: readonly string[]) {
  let child: ChildProcess | null = null
  return {
    start(onLine: (line: string) => void): void {
      child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
      for (const input of [child.stdout, child.stderr])
        if (input) createInterface({ input }).on('line', onLine)
    },
    close(): void {
      child?.kill()
    },
  }
}

function output(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): string {
  return execFileSync(program, args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] })
}
