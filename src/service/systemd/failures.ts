import { hasLookout, type Scope } from '../../config/paths.ts'
import type { Service } from '../../config/service.ts'
import { readInstalled } from '../../state/installed.ts'
import { readUpdateState } from '../../state/update-state.ts'
import { orNull, TelecError } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'
import { tryCommand } from '../commands.ts'
import { UNIT_MARK } from '../environment.ts'
import { journalSelection, ownUnit, showUnits } from './systemctl.ts'

/** A unit of telec's own whose last run failed, as the manager says it. */
export interface FailedUnit {
  readonly unit: string
  /** `exit code 127`, or what else ended it. */
  readonly result: string
  /** The end of its log; empty where the journal cannot be read. */
  readonly lines: readonly string[]
}

const WATCHER = 'telec-watch.service'
const UPDATE = 'telec-update.service'
const UNITS = [WATCHER, 'telec-poll.service', UPDATE, 'telec-listen.service']
const PROPERTIES = ['LoadState', 'ActiveState', 'Result', 'ExecMainStatus'] as const

/**
 * What failed of what `telec install` put here; nothing under launchd, and where systemd does not answer. An update that
 * halted is a failed unit, too, and said elsewhere.
 */
export async function failedUnits({ world, paths }: Service): Promise<FailedUnit[]> {
  const installed = readInstalled(paths)
  if (installed?.manager !== 'systemd') return []
  const found = (await orNull(() => failed({ world, paths }, installed.scope))) ?? []
  const isHalted = (await orNull(() => readUpdateState(paths)))?.halted != null
  return found.filter(({ unit }) => !(isHalted && unit === ownUnit(paths, UPDATE)))
}

type Asked = Pick<Service, 'world' | 'paths'>

async function failed({ world, paths }: Asked, scope: Scope): Promise<FailedUnit[]> {
  const found: FailedUnit[] = []
  for (const [unit, shown] of await showEnded({ world, paths }, scope)) {
    const { LoadState, Result, ExecMainStatus } = shown
    if (LoadState !== 'loaded' || Result === 'success') continue
    const result =
      Result === 'exit-code'
        ? `exit code ${ExecMainStatus}`
        : Result === 'signal'
          ? `signal ${ExecMainStatus}`
          : Result
    found.push({ unit, result, lines: await lastLines(world, scope, unit) })
  }
  return found
}

/** A poll that fails does so at once; one that waits for its remote is not waited for. */
const LONGEST_WAIT_MS = 2_000
const LOOK_EVERY_MS = 100

/** While a unit runs, systemd does not say how it ended before: it is given a moment to end. */
async function showEnded({ world, paths }: Asked, scope: Scope) {
  const units = UNITS.map((unit) => ownUnit(paths, unit))
  const deadline = world.monotonic() + LONGEST_WAIT_MS
  for (;;) {
    const shown = await showUnits(world, scope, units, PROPERTIES)
    const isRunning = [...shown.values()].some(({ ActiveState }) => ActiveState === 'activating')
    // In a unit of telec's own that would be itself.
    if (!isRunning || world.env[UNIT_MARK] !== undefined || world.monotonic() >= deadline) return shown
    await world.sleep(LOOK_EVERY_MS)
  }
}

const MOST_LINES = 8
const STACK = /^\s+at /
/** What systemd itself says at each start and end. */
const OF_MANAGER =
  /^(Starting|Started|Stopping|Stopped|Finished|Failed to start) |: (Main process exited|Failed with result|Scheduled restart|Consumed|Deactivated successfully)\b/

async function lastLines(world: World, scope: Scope, unit: string): Promise<string[]> {
  const argv = ['journalctl', ...journalSelection(scope, [unit]), '--quiet', '--output=cat', '--lines=40']
  const { stdout } = await tryCommand(world, argv)
  const lines = stdout
    .split('\n')
    .filter((line) => line.trim() !== '' && !OF_MANAGER.test(line) && !STACK.test(line))
  // It said the same each time: of what is repeated the last counts, which is in the order of the last run.
  return [...new Set(lines.toReversed())].slice(0, MOST_LINES).toReversed()
}

/** Has the manager run the watcher once, to its end. Throws `halted`, with the end of its log, where it fails. */
export async function tryWatcher({ world, paths }: Service, scope: Scope): Promise<void> {
  const unit = ownUnit(paths, hasLookout(paths, scope) ? 'telec-poll.service' : WATCHER) // the lookout only looks
  await tryCommand(world, ['systemctl', `--${scope}`, 'start', unit])
  const fault = (await failed({ world, paths }, scope)).find((one) => one.unit === unit)
  if (fault)
    throw new TelecError('halted', `the units are installed, and ${describeFailure(fault)}`, {
      because: fault.lines.join('\n'),
      hint: 'fix the cause, and run telec install again',
    })
}

export function describeFailure({ unit, result }: FailedUnit): string {
  return `${unit} fails: ${result}`
}
