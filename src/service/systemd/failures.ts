import type { Scope } from '../../config/paths.ts'
import type { Service } from '../../config/service.ts'
import { EXIT, TelecError } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'
import { tryCommand } from '../commands.ts'
import { UNIT_MARK } from '../environment.ts'
import { describeFailure, type FailedUnit } from '../manager.ts'
import { journalSelection, ownUnit, showUnit, showUnits } from './systemctl.ts'

const WATCHER = 'telec-watch.service'
const PROPERTIES = ['LoadState', 'ActiveState', 'Result', 'ExecMainStatus'] as const

/** Which of these units of telec's failed. */
export async function failed(world: World, scope: Scope, units: readonly string[]): Promise<FailedUnit[]> {
  const found: FailedUnit[] = []
  for (const [unit, shown] of await showEnded(world, scope, units)) {
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
async function showEnded(world: World, scope: Scope, units: readonly string[]) {
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
  const unit = ownUnit(paths, WATCHER)
  await tryCommand(world, ['systemctl', `--${scope}`, 'start', unit])
  const [fault] = await failed(world, scope, [unit])
  if (fault)
    throw new TelecError('halted', `the units are installed, and ${describeFailure(fault)}`, {
      because: fault.lines.join('\n'),
      hint: 'fix the cause, and run telec install again',
    })
  const { ExecMainStatus } = await showUnit(world, scope, unit, ['ExecMainStatus'])
  if (Number(ExecMainStatus) === EXIT.later)
    world.log.warning(
      ['the first poll came to nothing, and is tried again:', ...(await lastLines(world, scope, unit))].join(
        '\n',
      ),
    )
}
