import { basename, join } from 'node:path'
import { logFolder, type Paths, type Scope } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { readInstalled } from '../state/installed.ts'
import { readUpdateState } from '../state/update-state.ts'
import { EXIT, orNull, TelecError } from '../system/errors.ts'
import { readText } from '../system/files.ts'
import type { World } from '../system/world.ts'
import { tryCommand } from './commands.ts'
import { UNIT_MARK } from './environment.ts'
import { launchdDomain } from './launchd/manager.ts'
import { printed, stateOf } from './launchd/print.ts'
import { journalSelection, ownUnit, showUnit, showUnits } from './systemd/systemctl.ts'

/** A unit or job of telec's own whose last run failed. */
export interface FailedUnit {
  readonly unit: string
  /** `exit code 127`, a signal, or what else systemd says. */
  readonly result: string
  /** The end of its log; empty where that cannot be read. */
  readonly lines: readonly string[]
}

export function describeFailure({ unit, result }: FailedUnit): string {
  return `${unit} fails: ${result}`
}

const MOST_LINES = 8

/**
 * Those that `telec install` wrote; none where the manager does not answer. A halted update has its own place in status, and
 * telec-update is then left out.
 */
export async function failedUnits({ world, paths }: Service): Promise<FailedUnit[]> {
  const { manager, scope = 'user', files } = readInstalled(paths) ?? { files: [] }
  const names = files.map((path) => basename(path)).filter((name) => /^telec-.+\.(service|plist)$/.test(name))
  const ask = () =>
    manager === 'launchd' ? failedJobs(world, paths, scope, names) : failedServices(world, scope, names)
  const found = names.length === 0 ? [] : ((await orNull(ask)) ?? [])
  const isHalted = (await orNull(() => readUpdateState(paths)))?.halted != null
  return found.filter(({ unit }) => !(isHalted && /^telec-update\b/.test(unit)))
}

/** A run of telec's that ends with one of these did not fail. */
const NO_FAILURE = [EXIT.done, EXIT.restart, EXIT.later].map((code) => `exit code ${code}`)

async function failedJobs(
  world: World,
  paths: Paths,
  scope: Scope,
  plists: readonly string[],
): Promise<FailedUnit[]> {
  const failed: FailedUnit[] = []
  for (const plist of plists) {
    const unit = basename(plist, '.plist')
    const { code, stdout } = await printed(world, `${launchdDomain(world, scope)}/${unit}`)
    const { lastExit: result } = stateOf(stdout)
    if (code !== 0 || result === null || NO_FAILURE.includes(result)) continue
    const log = readText(join(logFolder(paths, world.home), `${unit.split('.', 1)[0]}.log`)) ?? ''
    failed.push({ unit, result, lines: log.trim().split('\n').slice(-MOST_LINES) })
  }
  return failed
}

async function failedServices(world: World, scope: Scope, units: readonly string[]): Promise<FailedUnit[]> {
  const failed: FailedUnit[] = []
  for (const [unit, { LoadState, Result, ExecMainStatus }] of await showEnded(world, scope, units)) {
    if (LoadState !== 'loaded' || Result === 'success') continue
    const named = { 'exit-code': 'exit code', signal: 'signal' }[Result]
    const result = named ? `${named} ${ExecMainStatus}` : Result
    failed.push({ unit, result, lines: await lastLines(world, scope, unit) })
  }
  return failed
}

/** A poll that fails does so at once; one that waits for its remote takes longer. */
const LONGEST_WAIT_MS = 2_000
const ASK_EVERY_MS = 100
const PROPERTIES = ['LoadState', 'ActiveState', 'Result', 'ExecMainStatus'] as const

/** While a unit runs, systemd does not say how it ended before. */
async function showEnded(world: World, scope: Scope, units: readonly string[]) {
  const deadline = world.monotonic() + LONGEST_WAIT_MS
  for (;;) {
    const shown = await showUnits(world, scope, units, PROPERTIES)
    const isRunning = [...shown.values()].some(({ ActiveState }) => ActiveState === 'activating')
    // A unit of telec's would wait for itself.
    if (!isRunning || world.env[UNIT_MARK] !== undefined || world.monotonic() >= deadline) return shown
    await world.sleep(ASK_EVERY_MS)
  }
}

const STACK = /^\s+at /
/** What systemd itself writes at each start and end. */
const OF_SYSTEMD =
  /^(Starting|Started|Stopping|Stopped|Finished|Failed to start) |: (Main process exited|Failed with result|Scheduled restart|Consumed|Deactivated successfully)\b/

async function lastLines(world: World, scope: Scope, unit: string): Promise<string[]> {
  const argv = ['journalctl', ...journalSelection(scope, [unit]), '--quiet', '--output=cat', '--lines=40']
  const { stdout } = await tryCommand(world, argv)
  const lines = stdout
    .split('\n')
    .filter((line) => line.trim() !== '' && !OF_SYSTEMD.test(line) && !STACK.test(line))
  // Each failing run writes the same lines: the last of equal ones keep the order of the last run.
  return [...new Set(lines.toReversed())].slice(0, MOST_LINES).toReversed()
}

/** Has the manager run the watcher once, to its end. Throws `halted`, with the end of its log, where it fails. */
export async function tryWatcher({ world, paths }: Service, scope: Scope): Promise<void> {
  const unit = ownUnit(paths, 'telec-watch.service')
  await tryCommand(world, ['systemctl', `--${scope}`, 'start', unit])
  const [failure] = await failedServices(world, scope, [unit])
  if (failure)
    throw new TelecError('halted', `the units are installed, and ${describeFailure(failure)}`, {
      because: failure.lines.join('\n'),
      hint: 'fix the cause, and run telec install again',
    })
  const { ExecMainStatus } = await showUnit(world, scope, unit, ['ExecMainStatus'])
  if (Number(ExecMainStatus) !== EXIT.later) return
  const lines = await lastLines(world, scope, unit)
  world.log.warning(['the first poll failed, and will be retried:', ...lines].join('\n'))
}
