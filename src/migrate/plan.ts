import { basename, join } from 'node:path'
import compare from 'semver/functions/compare'
import type { Config } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import type { Repository } from '../git/repository.ts'
import { type Committed, committedBelow, differenceOf, differingFiles } from '../git/tree.ts'
import { type MigrationRecord, readMigrationRecord } from '../state/migrations.ts'
import { gitAt, shellWord, TelecError } from '../system/errors.ts'
import type { World } from '../system/world.ts'
import {
  type Discovered,
  discoverMigrations,
  foundIn,
  foundOnDisk,
  isBeside,
  type Migration,
  verifyNames,
} from './discover.ts'

export interface Planned extends Migration {
  /** It was added to a version that this computer already runs. */
  readonly late: boolean
  /** It is recorded, but the computer went down during that run: its effect may be lost. */
  readonly again: boolean
}

export interface MigrationPlan {
  readonly record: MigrationRecord
  readonly migrations: readonly Migration[]
  readonly pending: readonly Planned[]
  /** Files on the disk that are not in the commit, and would be pending. */
  readonly unknown: readonly string[]
  /** The files of the commit; null where telec did not need them. */
  readonly committed: Committed | null
}

/** Where migrations come from: a commit, looked up only when needed, or the work tree. */
type Source = (() => Promise<readonly [Repository, commit: string]>) | 'worktree'

interface PlanBounds {
  /** The version that this computer runs: a migration at or below it is late. */
  readonly deployed: string | null
  /** Only migrations above it, and above the baseline. */
  readonly from: string | null
  /** Only migrations up to it; null: all. */
  readonly to: string | null
}

export interface PlanInputs extends PlanBounds {
  readonly applied: { has(id: string): boolean }
  /** The version at which telec was set up: older migrations never run here. Null: at none. */
  readonly baseline: string | null
}

export function migrationsFolder({ deployment }: Config): string {
  return join(deployment.checkout, deployment.migrations)
}

/**
 * The pending migrations of this computer, by its record and the files of the source; runs nothing.
 *
 * @param isWhole the disk has all files of the commit: where none of them is pending, git is not asked.
 */
export async function planMigrations(
  { world, config, paths }: Service,
  bounds: PlanBounds,
  source: Source,
  isWhole = true,
): Promise<MigrationPlan> {
  const record = readMigrationRecord(paths)
  const baseline = record.baseline === undefined ? bounds.deployed : record.baseline
  const folder = migrationsFolder(config)
  const inDoubt = recordedInDoubt(record, world)
  const pendingOf = ({ migrations }: Discovered) => [
    ...migrations.filter(({ id }) => inDoubt.has(id)).map((one) => ({ ...one, late: false, again: true })),
    ...pendingMigrations(migrations, { ...bounds, applied: record.applied, baseline }),
  ]
  const onDisk = discoverMigrations(folder, foundOnDisk(folder))
  const isQuiet = isWhole && onDisk.faults.length === 0 && pendingOf(onDisk).length === 0
  const committed =
    source === 'worktree' || isQuiet ? null : await committedBelow(...(await source()), folder)
  const all = committed === null ? onDisk : discoverMigrations(folder, foundIn(committed))
  verifyNames(folder, all)
  const ids = new Set(all.migrations.map(({ id }) => id))
  return {
    record: { ...record, baseline },
    migrations: all.migrations,
    pending: pendingOf(all),
    unknown: pendingOf(onDisk).flatMap(({ id, path }) => (ids.has(id) ? [] : [path])),
    committed,
  }
}

/**
 * Throws `halted` where a pending migration, or a file that it may import, differs on the disk from the commit: only
 * reviewed and signed code runs.
 */
export async function verifyAsCommitted({ config }: Service, plan: MigrationPlan): Promise<void> {
  const { committed, pending, migrations } = plan
  if (committed === null || pending.length === 0) return
  const folder = migrationsFolder(config)
  const pathOf = ({ path }: Migration) => `${committed.prefix}${path.slice(folder.length + 1)}`
  const all = new Set(migrations.map(pathOf))
  const neighbours = [...committed.files.keys()].filter((path) => !all.has(path) && !isBeside(basename(path)))
  const [first] = await differingFiles(committed, [...pending.map(pathOf), ...neighbours], (path) =>
    all.has(path),
  )
  if (first === undefined) return
  const lines = (await differenceOf(committed, first)).split('\n').slice(0, LONGEST_DIFFERENCE)
  const migration = pending.find((one) => pathOf(one) === first)
  const file = join(committed.repository.workTree, first)
  throw new TelecError('halted', `${file} differs from the commit`, {
    because: lines.join('\n').trim(),
    ...(migration ? { migration: migration.id } : {}),
    hint: `restore it: ${gitAt(committed.repository.workTree)} checkout -- ${shellWord(first)}; or run yours: telec-migrate --worktree`,
  })
}

/** In lines. */
const LONGEST_DIFFERENCE = 20

/**
 * The migrations to run, in their order: not applied yet, above the baseline, at or below `to`. Their bound is not the
 * deployed version: on alpha a migration may be added to a version that this computer already runs. Pure.
 */
export function pendingMigrations(migrations: readonly Migration[], inputs: PlanInputs): Planned[] {
  const { applied, baseline, deployed, from, to } = inputs
  const isAbove = (version: string, bound: string | null) => bound === null || compare(version, bound) > 0
  const isUpTo = (version: string, bound: string | null) => bound !== null && compare(version, bound) <= 0
  return migrations
    .filter(({ id, version }) => !applied.has(id) && isAbove(version, baseline) && isAbove(version, from))
    .filter(({ version }) => to === null || isUpTo(version, to))
    .map((migration) => ({ ...migration, late: isUpTo(migration.version, deployed), again: false }))
}

/** The records of a killed run in an earlier boot: in a power cut a disk may lose synced data. */
function recordedInDoubt({ applied, unsettled }: MigrationRecord, world: World): Set<string> {
  const now = world.bootId()
  const isOlder = ([id, boot]: readonly [string, string | null]) =>
    boot !== null && now !== null
      ? boot !== now // without a battery, a power cut sets the clock back
      : Date.parse(applied.get(id)?.at ?? '') < world.bootedAt()
  return new Set([...unsettled].filter(isOlder).map(([id]) => id))
}

/** Throws `halted` where the target has migrations and no version: which of them are pending is unknown. */
export function verifyVersionIsKnown({ migrations }: MigrationPlan, version: string | null): void {
  if (migrations.length === 0 || version !== null) return
  throw new TelecError('halted', 'the checkout has migrations, but declares no version', {
    hint: 'set deployment.version_file to the file that holds the version',
  })
}
