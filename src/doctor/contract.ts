import { join } from 'node:path'
import type { Scope } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { tryCommand } from '../service/commands.ts'
import { verifySystemd } from '../service/installable.ts'
import { KICKSTART_MS, launchdDomain, launchdManager } from '../service/launchd/manager.ts'
import { contractJob } from '../service/launchd/plan.ts'
import type { ServiceManager } from '../service/manager.ts'
import { systemdManager } from '../service/systemd/manager.ts'
import { DROP_IN_SETTINGS } from '../service/systemd/plan.ts'
import { showUnit } from '../service/systemd/systemctl.ts'
import { TelecError } from '../system/errors.ts'
import { readText, remove, writeDurably } from '../system/files.ts'
import type { World } from '../system/world.ts'

const CONTRACT = [
  'Restart',
  'RestartForceExitStatus',
  'RestartPreventExitStatus',
  'SuccessExitStatus',
  'NeedDaemonReload',
] as const

/** What systemd has loaded for the service's own unit brings it back after exit code 42; throws where it does not. */
export async function verifyComesBack(world: World, scope: Scope, unit: string): Promise<string> {
  const shown = await showUnit(world, scope, unit, CONTRACT)
  const has42 = (key: (typeof CONTRACT)[number]) => shown[key].split(' ').includes('42')
  const reload = `${scope === 'user' ? 'systemctl --user' : 'sudo systemctl'} daemon-reload`
  if (shown.NeedDaemonReload === 'yes')
    throw new TelecError('config', `${unit} has changed on the disk since systemd read it`, { hint: reload })
  if (shown.Restart === '') return 'restarted by systemd' // a target, say
  const isFailure = shown.Restart === 'on-failure' && !has42('SuccessExitStatus')
  const isBrought = has42('RestartForceExitStatus') || shown.Restart === 'always' || isFailure
  if (isBrought && !has42('RestartPreventExitStatus')) return 'comes back after exit code 42'
  throw new TelecError('config', `systemd does not start ${unit} again after exit code 42`, {
    because: CONTRACT.slice(0, 4)
      .map((key) => `${key}=${shown[key]}`)
      .join(' '),
    hint: `telec install writes a drop-in that says so; what comes after it may say otherwise: systemctl --${scope} cat ${unit}`,
  })
}

/** launchd holds back a job that ran for less than 10 s (launchd.plist(5), ThrottleInterval). */
const PATIENCE_MS = 30_000
const LOOK_EVERY_MS = 100

/** Leaves with 42 at its first start, and stays at its second. */
const SCRIPT = 'if [ -e "$0" ]; then echo again >"$0"; exec sleep 120; fi; echo once >"$0"; exit 42'

/**
 * Starts a service of its own under the manager that has the real one, with the settings that teach it the contract:
 * one that leaves with exit code 42 is to come back. Leaves nothing behind.
 */
export async function proveRestartContract({ world, config, paths }: Service): Promise<string> {
  const scope = config.service?.scope ?? paths.scope
  const name = `telec-contract-${world.pid}`
  const mark = join(paths.home, `${name}.mark`)
  const plist = join(paths.home, `${name}.plist`)
  const command = ['/bin/sh', '-c', SCRIPT, mark]
  const isDarwin = world.platform === 'darwin'
  if (isDarwin) await writeDurably(plist, contractJob(name, command), { mode: 0o644 })
  else await verifySystemd(world, scope)
  const { manager, start, urge, clearAway } = isDarwin
    ? launchdTrial(world, scope, name, plist)
    : systemdTrial(world, scope, name, command)
  try {
    const { code, stderr } = await tryCommand(world, start)
    if (code !== 0)
      throw new TelecError('halted', `${manager.name} did not start a unit to try it with`, {
        because: stderr.trim(),
        hint: 'mend what it says, and try again: telec doctor --restart-contract',
      })
    if (urge) await tryCommand(world, urge, KICKSTART_MS)
    const startedMs = world.monotonic()
    const pid = await secondStart(world, manager, mark)
    const seconds = ((world.monotonic() - startedMs) / 1000).toFixed(1)
    return `a unit that left with exit code 42 came back as pid ${pid} after ${seconds} s (${manager.name})`
  } finally {
    for (const argv of clearAway) await tryCommand(world, argv)
    for (const path of [mark, plist]) await remove(path)
  }
}

function systemdTrial(world: World, scope: Scope, name: string, command: readonly string[]) {
  const unit = `${name}.service`
  const options = ['--quiet', '--collect', '--service-type=exec', `--unit=${unit}`]
  const settings = DROP_IN_SETTINGS.map((setting) => `--property=${setting}`)
  return {
    manager: systemdManager(world, unit, scope),
    start: ['systemd-run', `--${scope}`, ...options, ...settings, ...command],
    urge: null,
    clearAway: ['stop', 'reset-failed'].map((verb) => ['systemctl', `--${scope}`, verb, unit]),
  }
}

function launchdTrial(world: World, scope: Scope, label: string, plist: string) {
  const domain = launchdDomain(world, scope)
  return {
    manager: launchdManager(world, label, scope),
    start: ['launchctl', 'bootstrap', domain, plist],
    urge: ['launchctl', 'kickstart', `${domain}/${label}`],
    clearAway: [['launchctl', 'bootout', `${domain}/${label}`]],
  }
}

async function secondStart(world: World, { inspect, name }: ServiceManager, mark: string): Promise<number> {
  const deadline = world.monotonic() + PATIENCE_MS
  for (;;) {
    const { main, activity, lastExit } = await inspect()
    if (main?.pid && readText(mark) === 'again\n') return main.pid
    if (world.monotonic() > deadline)
      throw new TelecError('halted', `a unit that left with exit code 42 did not come back (${name})`, {
        because: `it is ${activity}${lastExit ? ` after ${lastExit}` : ''}`,
        hint: 'please report it, with the version of the service manager; until then: service.restart: manager',
      })
    await world.sleep(LOOK_EVERY_MS)
  }
}
