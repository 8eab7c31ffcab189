import { dirname, join } from 'node:path'
import type { Paths } from '../config/paths.ts'
import type { Config } from '../config/schema.ts'
import { TelecError } from '../system/errors.ts'
import { readText, remove, removeFolderIfEmpty, writeDurably } from '../system/files.ts'
import type { RunResult } from '../system/process.ts'
import type { World } from '../system/world.ts'
import { launchdPlists, systemdDropIn, systemdUnits, type UnitFile, type UnitValues } from './render.ts'
import { managerEnvironment, type Scope, showUnit, trySystemctl } from './systemctl.ts'

/** Everything that an installation is, as data: printed by `--print`, carried out by `install`. */
export interface InstallPlan {
  readonly manager: 'systemd' | 'launchd'
  readonly scope: Scope
  readonly files: readonly PlannedFile[]
  /** Run in this order before; one that fails had nothing to undo. */
  readonly before: readonly (readonly string[])[]
  /** Run in this order after the files are in place. */
  readonly start: readonly (readonly string[])[]
  /** Run in this order before the files are removed. */
  readonly stop: readonly (readonly string[])[]
  /** Run after the files were removed. */
  readonly forget: readonly (readonly string[])[]
}

export interface PlannedFile {
  readonly path: string
  readonly text: string
}

const COMMAND_TIMEOUT_MS = 2 * 60_000
/** Units are read by the manager and by people; they hold no secrets. */
const UNIT_MODE = 0o644

export function planInstall(
  world: World,
  config: Config,
  paths: Paths,
  manager: InstallPlan['manager'],
): InstallPlan {
  const values: UnitValues = {
    service: config.service?.name ?? null,
    node: world.program.node,
    bin: dirname(world.program.path),
    signal: paths.signal,
    logs: paths.home,
    environment: {
      TELEC_HOME: paths.home,
      HOME: world.home,
      // Managers give a bare PATH; the install command finds the node that telec runs on, whatever installed it.
      PATH: `${dirname(world.program.node)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    },
    pollMs: config.deployment.poll_every,
  }
  const scope = config.service?.scope ?? paths.scope
  return manager === 'systemd' ? planSystemd(world, config, values, scope) : planLaunchd(world, values, scope)
}

const STARTED_UNITS = ['telec-watch.timer', 'telec-update.path']

function planSystemd(world: World, config: Config, values: UnitValues, scope: Scope): InstallPlan {
  const folder =
    scope === 'system'
      ? '/etc/systemd/system'
      : join(world.env.XDG_CONFIG_HOME ?? join(world.home, '.config'), 'systemd/user')
  const { service } = config
  const dropIn = service && service.restart === 'exit-42' ? [systemdDropIn(service.name)] : []
  const systemctl = (...args: string[]) => ['systemctl', `--${scope}`, ...args]
  return {
    manager: 'systemd',
    scope,
    before: [],
    files: inFolder(folder, [...systemdUnits(values), ...dropIn]),
    start: [
      systemctl('daemon-reload'),
      systemctl('enable', ...STARTED_UNITS),
      systemctl('restart', ...STARTED_UNITS), // one that runs already takes up its new text
    ],
    stop: [systemctl('disable', '--now', ...STARTED_UNITS), systemctl('stop', 'telec-watch.service')],
    forget: [systemctl('daemon-reload')],
  }
}

function planLaunchd(world: World, values: UnitValues, scope: Scope): InstallPlan {
  const folder = scope === 'system' ? '/Library/LaunchDaemons' : join(world.home, 'Library/LaunchAgents')
  const domain = scope === 'system' ? 'system' : `gui/${world.uid}`
  const files = inFolder(folder, launchdPlists(values))
  const labels = ['telec-watch', 'telec-update']
  return {
    manager: 'launchd',
    scope,
    before: labels.map((label) => ['launchctl', 'bootout', `${domain}/${label}`]),
    files,
    start: [
      ...labels.map((label) => ['launchctl', 'enable', `${domain}/${label}`]),
      ...files.map(({ path }) => ['launchctl', 'bootstrap', domain, path]),
    ],
    stop: labels.map((label) => ['launchctl', 'bootout', `${domain}/${label}`]),
    forget: [],
  }
}

function inFolder(folder: string, units: readonly UnitFile[]): PlannedFile[] {
  return units.map(({ name, text }) => ({ path: join(folder, name), text }))
}

/** Checks that the plan can work here. Throws a TelecError that says what to do first. */
export async function verifyInstallable(world: World, config: Config, plan: InstallPlan): Promise<void> {
  const { scope } = plan
  if (scope === 'system' && world.uid !== 0)
    throw new TelecError('usage', 'only root can install for the system scope', {
      hint: 'sudo telec install, or set service.scope: user',
    })
  if (plan.manager === 'launchd') return
  const answer = await trySystemctl(world, scope, ['show', '--property=Version'])
  if (answer.code !== 0)
    throw new TelecError('config', `systemd (--${scope}) does not answer`, {
      because: answer.stderr.trim(),
      hint:
        scope === 'user'
          ? 'let it run without a login: sudo loginctl enable-linger "$USER". Where there is no systemd: telec run -- COMMAND'
          : 'where there is no systemd: telec run -- COMMAND',
    })
  if (config.service) {
    const { LoadState } = await showUnit(world, scope, config.service.name, ['LoadState'])
    if (LoadState === 'not-found')
      throw new TelecError(
        'config',
        `service.name is ${config.service.name}, a unit that systemd (--${scope}) does not know`,
        {
          hint: `write the unit first, or set service.scope; the units there are: systemctl --${scope} list-unit-files`,
        },
      )
  }
}

/** Puts the files in place and runs the commands; one line per thing done. Run again, it changes what differs. */
export async function install(world: World, plan: InstallPlan): Promise<string[]> {
  const done: string[] = []
  for (const { path, text } of plan.files) {
    if (readText(path) === text) continue
    await writeDurably(path, text, UNIT_MODE)
    done.push(`wrote ${path}`)
  }
  for (const command of plan.before) await tryCommand(world, command)
  for (const command of plan.start) await runCommand(world, command)
  return [...done, ...plan.start.map((command) => `ran ${command.join(' ')}`)]
}

/** Takes back what `install` did; a part that is not there is fine. */
export async function uninstall(world: World, plan: InstallPlan): Promise<string[]> {
  const present = plan.files.filter(({ path }) => readText(path) !== null)
  if (present.length === 0) return []
  for (const command of plan.stop) await tryCommand(world, command) // a unit that is not there needs no stop
  for (const { path } of present) {
    await remove(path)
    if (dirname(path).endsWith('.d')) await removeFolderIfEmpty(dirname(path))
  }
  for (const command of plan.forget) await runCommand(world, command)
  return present.map(({ path }) => `removed ${path}`)
}

function tryCommand(world: World, [program = '', ...args]: readonly string[]): Promise<RunResult> {
  return world.run(program, args, { cwd: '/', env: managerEnvironment(world), timeoutMs: COMMAND_TIMEOUT_MS })
}

async function runCommand(world: World, command: readonly string[]): Promise<void> {
  const result = await tryCommand(world, command)
  if (result.code === 0) return
  throw new TelecError('halted', `${command.join(' ')} failed`, {
    because: result.stderr.trim() || `exit code ${result.code}`,
    hint: 'mend the cause and run telec install again: it goes on where it was',
  })
}
