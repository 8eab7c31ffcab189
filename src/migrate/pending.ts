import { join } from 'node:path'
import type { Paths } from '../config/paths.ts'
import type { Config } from '../config/schema.ts'
import { TelecError } from '../system/errors.ts'
import type { World } from '../system/world.ts'
import { discoverMigrations, type Migration } from './discover.ts'
import { pendingMigrations } from './plan.ts'
import { type MigrationState, readMigrationState } from './record.ts'
import { runMigrations } from './run.ts'

export interface MigrationPlan {
  readonly state: MigrationState
  readonly pending: readonly Migration[]
}

export interface PlanBounds {
  /** Narrow the plan to (from, to]; the baseline bounds it anyway. */
  readonly from: string | null
  readonly to: string | null
  /** The baseline of a computer that has none recorded: what it has deployed. */
  readonly baseline: string | null
}

/** What is to be migrated on this computer, read from its checkout and its record. */
export function planMigrations(config: Config, paths: Paths, bounds: PlanBounds): MigrationPlan {
  const recorded = readMigrationState(paths) ?? { applied: [] }
  const baseline = recorded.baseline === undefined ? bounds.baseline : recorded.baseline
  const migrations = discoverMigrations(join(config.deployment.checkout, config.deployment.migrations))
  if (migrations.length > 0 && bounds.to === null)
    throw new TelecError(
      'halted',
      'the checkout has migrations, but no version that says which of them are due',
      {
        hint: 'name the file that holds the version: deployment.version_file',
      },
    )
  const pending = pendingMigrations(migrations, {
    applied: new Set(recorded.applied),
    baseline,
    from: bounds.from,
    to: bounds.to,
  })
  return { state: { ...recorded, baseline }, pending }
}

/** Runs what is planned; a log line as each begins and ends. */
export function runPlan(
  world: World,
  config: Config,
  paths: Paths,
  { state, pending }: MigrationPlan,
  versions: { readonly from: string | null; readonly to: string | null },
): Promise<{ run: number; satisfied: number }> {
  return runMigrations(world, paths, {
    pending,
    state,
    checkout: config.deployment.checkout,
    ...versions,
    onBegin: ({ id }, index) => world.log.info(`migrate: ${index + 1} of ${pending.length}: ${id}`),
    onEnd: ({ id }, how, ms) =>
      world.log.info(
        `migrate: ${id} ${how === 'run' ? 'done' : 'satisfied already'} (${(ms / 1000).toFixed(2)} s)`,
      ),
  })
}
