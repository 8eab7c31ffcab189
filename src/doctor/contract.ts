import { join } from 'node:path'
import type { Scope } from '../config/paths.ts'
import { type Service, scopeOf } from '../config/service.ts'
import { tryCommand } from '../service/commands.ts'
import { verifySystemd } from '../service/installable.ts'
import { KICKSTART_MS, launchdDomain, launchdManager } from '../service/launchd/manager.ts'
import { contractJob } from '../service/launchd/plan.ts'
import type { ServiceManager } from '../service/manager.ts'
import { systemdManager } from '../service/systemd/manager.ts'
import { DROP_IN_SETTINGS } from '../service/systemd/plan.ts'
import { showUnit } from '../service/systemd/systemctl.ts'
import { shellWord, TelecError } from '../system/errors.ts'
import { readText, remove, writeDurably } from '../system/files.ts'
import type { World } from '../system/world.ts'

const CONTRACT = [
  'Restart',
  'RestartForceExitStatus',
  'RestartPreventExitStatus',
  'SuccessExitStatus',
] as const

/** Throws if systemd, by its loaded settings, would not restart the service's own unit after exit code 42. */
export async function verifyRestarts(world: World, scope: Scope, unit: string): Promise<string> {
  const shown = await showUnit(world, scope, unit, [...CONTRACT, 'NeedDaemonReload'])
  const has42 = (key: (typeof CONTRACT)[number]) => shown[key].split(' ').includes('42')
  if (shown.NeedDaemonReload === 'yes')
    throw new TelecError('config', `${unit} has changed on the disk since systemd read it`, {
      hint: `${scope === 'user' ? 'systemctl --user' : 'sudo systemctl'} daemon-reload`,
    })
  if (shown.Restart === '') return 'restarted by systemd' // a target, for example
  const isFailure = shown.Restart === 'on-failure' && !has42('SuccessExitStatus')
  const restarts = has42('RestartForceExitStatus') || shown.Restart === 'always' || isFailure
  if (restarts && !has42('RestartPreventExitStatus')) return 'restarts after exit code 42'
  throw new TelecError('config', `systemd does not restart ${unit} after exit code 42`, {
    because: CONTRACT.map((key) => `${key}=${shown[key]}`).join(' '),
    hint: `run telec install, and remove later drop-ins that override its own: systemctl --${scope} cat ${shellWord(unit)}`,
  })
}

/** launchd holds back a job that ran for less than 10 s (launchd.plist(5), ThrottleInterval). */
const PATIENCE_MS = 30_000
const INTERVAL_MS = 100

/** Exits with 42 at its first start, and sleeps at its second. */
const SCRIPT = 'if [ -e "$0" ]; then echo again >"$0"; exec sleep 120; fi; echo once >"$0"; exit 42'

/** Starts a throw-away unit with the restart settings of the service, and sees it restart after exit code 42. */
export async function proveRestartContract(service: Service): Promise<string> {
  const { world, paths } = service
  const scope = scopeOf(service)
  const name = `telec-contract-${world.pid}`
  const mark = join(paths.home, `${name}.mark`)
  const plist = join(paths.home, `${name}.plist`)
  const command = ['/bin/sh', '-c', SCRIPT, mark]
  const isDarwin = world.platform === 'darwin'
  if (isDarwin) await writeDurably(plist, contractJob(name, command), { mode: 0o644 })
  else await verifySystemd(world, scope)
  const { manager, start, kickstart, cleanup } = isDarwin
    ? launchdTrial(world, scope, name, plist)
    : systemdTrial(world, scope, name, command)
  try {
    const { code, stderr } = await tryCommand(world, start)
    if (code !== 0)
      throw new TelecError('halted', `${manager.name} did not start a unit for the test`, {
        because: stderr.trim(),
        hint: 'fix that, and retry: telec doctor --restart-contract',
      })
    if (kickstart) await tryCommand(world, kickstart, KICKSTART_MS)
    const startedMs = world.monotonic()
    const pid = await secondStart(world, manager, mark)
    const seconds = ((world.monotonic() - startedMs) / 1000).toFixed(1)
    return `a unit that exited with code 42 restarted as pid ${pid} after ${seconds} s (${manager.name})`
  } finally {
    for (const argv of cleanup) await tryCommand(world, argv)
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
    kickstart: null,
    cleanup: ['stop', 'reset-failed'].map((verb) => ['systemctl', `--${scope}`, verb, unit]),
  }
}

function launchdTrial(world: World, scope: Scope, label: string, plist: string) {
  const domain = launchdDomain(world, scope)
  return {
    manager: launchdManager(world, label, scope),
    start: ['launchctl', 'bootstrap', domain, plist],
    kickstart: ['launchctl', 'kickstart', `${domain}/${label}`],
    cleanup: [['launchctl', 'bootout', `${domain}/${label}`]],
  }
}

async function secondStart(world: World, { inspect, name }: ServiceManager, mark: string): Promise<number> {
  const deadline = world.monotonic() + PATIENCE_MS
  for (;;) {
    const { main, activity, lastExit } = await inspect()
    if (main?.pid && readText(mark) === 'again\n') return main.pid
    if (world.monotonic() > deadline)
      throw new TelecError('halted', `a unit that exited with code 42 did not restart (${name})`, {
        because: `it is ${activity}${lastExit ? ` after ${lastExit}` : ''}`,
        hint: 'report it with the version of the service manager; until then, set service.restart: manager',
      })
    await world.sleep(INTERVAL_MS)
  }
}
