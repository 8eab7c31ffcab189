import { join } from 'node:path'
import type { Scope } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { tryCommand } from '../service/commands.ts'
import { verifySystemd } from '../service/installable.ts'
import { launchdDomain, launchdManager } from '../service/launchd/manager.ts'
import { contractJob } from '../service/launchd/plists.ts'
import type { ServiceManager } from '../service/manager.ts'
import { systemdManager } from '../service/systemd/manager.ts'
import { trySystemctl } from '../service/systemd/systemctl.ts'
import { DROP_IN_SETTINGS } from '../service/systemd/units.ts'
import { TelecError } from '../system/errors.ts'
import { readText, remove, writeDurably } from '../system/files.ts'
import type { RunResult } from '../system/process.ts'
import type { World } from '../system/world.ts'

/** launchd holds back a job that ran for less than 10 s (launchd.plist(5), ThrottleInterval). */
const PATIENCE_MS = 30_000
const LOOK_EVERY_MS = 100

/** A throw-away service that leaves with 42 at its first start, and stays at its second. */
interface Trial {
  readonly manager: ServiceManager
  start(command: readonly string[]): Promise<RunResult>
  clearAway(): Promise<void>
}

/**
 * Starts a service of its own under the manager that has the real one, with the settings that teach it the contract:
 * one that leaves with exit code 42 is to come back. Leaves nothing behind.
 */
export async function proveRestartContract({ world, config, paths }: Service): Promise<string> {
  const scope = config.service?.scope ?? paths.scope
  const name = `telec-contract-${world.pid}`
  const mark = join(paths.home, `${name}.mark`)
  const trial =
    world.platform === 'darwin'
      ? launchdTrial(world, scope, name, paths.home)
      : await systemdTrial(world, scope, name)
  try {
    const script = 'if [ -e "$0" ]; then echo again >"$0"; exec sleep 120; fi; echo once >"$0"; exit 42'
    const { code, stderr } = await trial.start(['/bin/sh', '-c', script, mark])
    if (code !== 0)
      throw new TelecError('halted', `${trial.manager.name} did not start a unit to try it with`, {
        because: stderr.trim(),
        hint: 'mend what it says, and try again: telec doctor --restart-contract',
      })
    const startedMs = world.monotonic()
    const pid = await secondStart(world, trial.manager, mark)
    const seconds = ((world.monotonic() - startedMs) / 1000).toFixed(1)
    return `a unit that left with exit code 42 came back as pid ${pid} after ${seconds} s (${trial.manager.name})`
  } finally {
    await trial.clearAway()
    await remove(mark)
  }
}

async function secondStart(world: World, { inspect, name }: ServiceManager, mark: string): Promise<number> {
  const deadline = world.monotonic() + PATIENCE_MS
  for (;;) {
    const { main, activity, lastExit } = await inspect()
    if (main && readText(mark) === 'again\n') return main.pid
    if (world.monotonic() > deadline)
      throw new TelecError('halted', `a unit that left with exit code 42 did not come back (${name})`, {
        because: `it is ${activity}${lastExit ? ` after ${lastExit}` : ''}`,
        hint: 'please report it, with the version of the service manager; until then: service.restart: manager',
      })
    await world.sleep(LOOK_EVERY_MS)
  }
}

async function systemdTrial(world: World, scope: Scope, name: string): Promise<Trial> {
  await verifySystemd(world, scope)
  const unit = `${name}.service`
  return {
    manager: systemdManager(world, unit, scope),
    start(command) {
      const settings = DROP_IN_SETTINGS.map((setting) => `--property=${setting}`)
      const args = [
        `--${scope}`,
        '--quiet',
        '--collect',
        '--service-type=exec',
        `--unit=${unit}`,
        ...settings,
      ]
      return tryCommand(world, ['systemd-run', ...args, ...command])
    },
    async clearAway() {
      await trySystemctl(world, scope, ['stop', unit])
      await trySystemctl(world, scope, ['reset-failed', unit])
    },
  }
}

function launchdTrial(world: World, scope: Scope, label: string, home: string): Trial {
  const domain = launchdDomain(world, scope)
  const plist = join(home, `${label}.plist`)
  return {
    manager: launchdManager(world, label, scope),
    async start(command) {
      await writeDurably(plist, contractJob(label, command), { mode: 0o644 })
      return tryCommand(world, ['launchctl', 'bootstrap', domain, plist])
    },
    async clearAway() {
      await tryCommand(world, ['launchctl', 'bootout', `${domain}/${label}`])
      await remove(plist)
    },
  }
}
