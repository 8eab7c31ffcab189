import { basename, join } from 'node:path'
import compare from 'semver/functions/compare'
import type { Config } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import type { Repository } from '../git/repository.ts'
import { type Committed, committedBelow, differenceOf, differingFiles } from '../git/tree.ts'
import { type MigrationRecord, readMigrationRecord } from '../state/migrations.ts'
import { TelecError } from '../system/errors.ts'
import type { World } from '../system/world.ts'
import { type Discovered, discoverMigrations, isBeside, type Migration, verifyNames } from './discover.ts'
import { foundIn, foundOnDisk } from './found.ts'

export interface Planned extends Migration {
  /** It joined a version that this computer runs already. */
  readonly late: boolean
  /** It is recorded as applied, in a run that the computer did not outlive: its effect may be lost. */
  readonly again: boolean
}

export interface MigrationPlan {
  readonly record: MigrationRecord
  /** All that there are. */
  readonly migrations: readonly Migration[]
  readonly pending: readonly Planned[]
  /** Files on the disk that would be pending, and that the commit does not have. */
  readonly unknown: readonly string[]
  /** What the commit has; null where git was not asked. */
  readonly committed: Committed | null
}

/** Where migrations are read from: a commit, which is found where it is wanted, or for their authors the work tree. */
export type Source = (() => Promise<readonly [Repository, commit: string]>) | 'worktree'

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

/**
 * What is to be migrated on this computer, by its record and by what the commit has; runs nothing.
 *
 * @param isWhole whether the disk is taken to have all that the commit has: where nothing there is pending, git is not asked.
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
 * Throws `halted` where a pending migration, or what it may import beside it, is not on the disk as the commit has it:
 * what was reviewed and signed is what runs.
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
  throw new TelecError('halted', `${file} is not as the commit has it`, {
    because: lines.join('\n').trim(),
    ...(migration ? { migration: migration.id } : {}),
    hint: `take the file of the commit: git -C ${committed.repository.workTree} checkout -- ${first}; or try yours: telec-migrate --worktree`,
  })
}

/** Lines that are shown. */
const LONGEST_DIFFERENCE = 20

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
    .map((migration) => ({ ...migration, late: isUpTo(migration.version, deployed), again: false }))
}

/**
 * What a run recorded that did not end, before the computer was started: a disk that lost power may have lost what it had
 * said to have written.
 */
function recordedInDoubt({ applied, unsettled }: MigrationRecord, world: World): Set<string> {
  const now = world.bootId()
  const isOlder = ([id, boot]: readonly [string, string | null]) =>
    boot !== null && now !== null
      ? boot !== now // a clock without a battery goes back in a power cut
      : Date.parse(applied.get(id)?.at ?? '') < world.bootedAt()
  return new Set([...unsettled].filter(isOlder).map(([id]) => id))
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
