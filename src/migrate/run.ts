import type { Paths } from '../config/paths.ts'
import { TelecError } from '../system/errors.ts'
import type { World } from '../system/world.ts'
import type { Migration } from './discover.ts'
import { type MigrationHost, migrationHost } from './host/client.ts'
import { type MigrationState, writeMigrationState } from './record.ts'

export interface MigrationRun {
  readonly pending: readonly Migration[]
  readonly state: MigrationState
  readonly checkout: string
  readonly from: string | null
  readonly to: string | null
  onBegin(migration: Migration, index: number): void
  onEnd(migration: Migration, how: 'run' | 'satisfied', ms: number): void
}

/** Characters; the whole of it went to the log. */
const LONGEST_MESSAGE = 8_000

/** A call that takes longer has hung. */
const CALL_TIMEOUT_MS = 10 * 60_000

/**
 * Runs the pending migrations in turn: `check()`, and where that is not true `migrate()` and `check()` again. Each
 * is recorded durably before the next begins. Throws `halted`, naming the migration, at the first that fails.
 *
 * @returns how many were run and how many were found to be satisfied.
 */
export async function runMigrations(
  world: World,
  paths: Paths,
  run: MigrationRun,
): Promise<{ run: number; satisfied: number }> {
  const counts = { run: 0, satisfied: 0 }
  let { state } = run
  const host = migrationHost(world, {
    cwd: run.checkout,
    env: {
      ...world.env,
      TELEC_HOME: paths.home,
      TELEC_CHECKOUT: run.checkout,
      TELEC_FROM: run.from ?? '',
      TELEC_TO: run.to ?? '',
    },
    onLine: (line) => world.log.info(`  | ${line}`),
  })
  try {
    for (const [index, migration] of run.pending.entries()) {
      run.onBegin(migration, index)
      const startedMs = world.monotonic()
      const how = await apply(host, migration)
      counts[how] += 1
      state = { ...state, applied: [...state.applied, migration.id] }
      await writeMigrationState(paths, state)
      run.onEnd(migration, how, world.monotonic() - startedMs)
    }
  } finally {
    host.close()
  }
  return counts
}

async function apply(host: MigrationHost, migration: Migration): Promise<'run' | 'satisfied'> {
  const call = async (name: 'check' | 'migrate'): Promise<boolean> => {
    const result = await host.call({ file: migration.path, name }, CALL_TIMEOUT_MS)
    if (result.ok) return result.value
    const because = [result.output, result.error].filter(Boolean).join('\n')
    throw failed(migration, `${name}() failed`, because.slice(-LONGEST_MESSAGE))
  }
  if (await call('check')) return 'satisfied'
  if (!(await call('migrate'))) throw failed(migration, 'failed', 'migrate() returned false')
  if (await call('check')) return 'run'
  throw failed(migration, 'is not idempotent', 'check() is still false after migrate() returned true')
}

function failed(migration: Migration, what: string, because: string): TelecError {
  return new TelecError('halted', `migration ${migration.id} ${what}`, {
    because,
    migration: migration.id,
    hint: `mend ${migration.path} in a new commit, or here and then: telec-update --retry`,
  })
}
