import { join } from 'node:path'
import compare from 'semver/functions/compare'
import type { Config } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { type MigrationRecord, readMigrationRecord } from '../state/migrations.ts'
import { TelecError } from '../system/errors.ts'
import { discoverMigrations, type Migration } from './discover.ts'

export interface Planned extends Migration {
  /** It joined a version that this computer runs already. */
  readonly late: boolean
}

export interface MigrationPlan {
  readonly record: MigrationRecord
  /** All that the checkout has. */
  readonly migrations: readonly Migration[]
  readonly pending: readonly Planned[]
}

interface PlanBounds {
  /** What this computer runs; a script at or below it is late. */
  readonly deployed: string | null
  /** Narrow the plan to (from, to]; the baseline bounds it anyway. */
  readonly from: string | null
  /** Null: the newest that there is. */
  readonly to: string | null
}

export interface PlanInputs extends PlanBounds {
  readonly applied: { has(id: string): boolean }
  /** The version at which telec was set up: what came with it or before was done by hand. Null: nothing was. */
  readonly baseline: string | null
}

/** The folder of the checkout's migrations. */
export function migrationsFolder({ deployment }: Config): string {
  return join(deployment.checkout, deployment.migrations)
}

/** What is to be migrated on this computer, read from its checkout and its record. Runs nothing. */
export function planMigrations({ config, paths }: Service, bounds: PlanBounds): MigrationPlan {
  const record = readMigrationRecord(paths)
  const baseline = record.baseline === undefined ? bounds.deployed : record.baseline
  const migrations = discoverMigrations(migrationsFolder(config))
  const pending = pendingMigrations(migrations, { ...bounds, applied: record.applied, baseline })
  return { record: { ...record, baseline }, migrations, pending }
}

/**
 * The migrations to run, in their order: not applied yet, above the baseline, at or below `to`. Not "those between
 * two versions": on alpha a second script may join a version that this computer runs already. Pure.
 */
export function pendingMigrations(migrations: readonly Migration[], inputs: PlanInputs): Planned[] {
  const { applied, baseline, deployed, from, to } = inputs
  const isAbove = (version: string, bound: string | null) => bound === null || compare(version, bound) > 0
  const isUpTo = (version: string, bound: string | null) => bound !== null && compare(version, bound) <= 0
  return migrations
    .filter(({ id, version }) => !applied.has(id) && isAbove(version, baseline) && isAbove(version, from))
    .filter(({ version }) => to === null || isUpTo(version, to))
    .map((migration) => ({ ...migration, late: isUpTo(migration.version, deployed) }))
}

/** Without a version there is no telling which of a target's migrations are due. */
export function verifyVersionIsKnown({ migrations }: MigrationPlan, version: string | null): void {
  if (migrations.length === 0 || version !== null) return
  throw new TelecError(
    'halted',
    'the checkout has migrations, but no version that says which of them are due',
    {
      hint: 'name the file that holds the version: deployment.version_file',
    },
  )
}
