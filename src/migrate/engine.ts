import { join } from 'node:path'
import type { Config } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { checkoutOwner } from '../git/owner.ts'
import { type MigrationRecord, readMigrationRecord } from '../state/migrations.ts'
import { TelecError } from '../system/errors.ts'
import { discoverMigrations, type Migration } from './discover.ts'
import { type Planned, pendingMigrations } from './pending.ts'
import { runMigrations } from './run.ts'

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

/** Runs what is planned; a log line as each ends, and in a terminal one that says which is under way. */
export async function runPlan(
  service: Service,
  { record, pending }: MigrationPlan,
  versions: { readonly from: string | null; readonly to: string | null },
): Promise<{ run: number; satisfied: number }> {
  const { world, config, paths } = service
  try {
    return await runMigrations(service, {
      pending,
      record,
      home: paths.home,
      checkout: config.deployment.checkout,
      owner: checkoutOwner(world, config.deployment.checkout),
      ...versions,
      onBegin({ id }, index) {
        world.log.debug(`migrate: ${id} begins`)
        world.log.progress(`migrating ${index + 1} of ${pending.length}: ${id}`)
      },
      onEnd: ({ id }, how, ms) =>
        world.log.info(
          `migrate: ${id} ${how === 'run' ? 'done' : 'satisfied already'} (${(ms / 1000).toFixed(2)} s)`,
        ),
    })
  } finally {
    world.log.progress(null)
  }
}
