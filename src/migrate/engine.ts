import { join } from 'node:path'
import type { Config } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { type MigrationRecord, readMigrationRecord } from '../state/migrations.ts'
import { TelecError } from '../system/errors.ts'
import { discoverMigrations, type Migration } from './discover.ts'
import { type Planned, pendingMigrations } from './pending.ts'

export interface MigrationPlan {
  readonly record: MigrationRecord
  /** All that the checkout has. */
  readonly migrations: readonly Migration[]
  readonly pending: readonly Planned[]
}

export interface PlanBounds {
  readonly deployed: string | null
  /** Narrow the plan to (from, to]; the baseline bounds it anyway. */
  readonly from: string | null
  /** Null: the newest that there is. */
  readonly to: string | null
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
