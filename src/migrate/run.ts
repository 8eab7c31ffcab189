import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Paths } from '../config/paths.ts'
import { TelecError } from '../system/errors.ts'
import { VERSION } from '../system/version.ts'
import { isoTime, type World } from '../system/world.ts'
import type { Language, Migration } from './discover.ts'
import { type MigrationRecord, openRecorder } from './record.ts'
import { executableRuntime } from './runtimes/executable.ts'
import { nodeRuntime } from './runtimes/node.ts'
import type { Applied, FunctionName } from './runtimes/protocol.ts'
import { pythonRuntime } from './runtimes/python.ts'
import type { CallResult, Runtime, RuntimeOptions } from './runtimes/runtime.ts'

/** What migrations find in their environment, and where they run. */
export interface Surroundings {
  readonly home: string
  readonly checkout: string
  readonly from: string | null
  readonly to: string | null
}

export interface MigrationRun extends Surroundings {
  readonly pending: readonly Migration[]
  readonly record: MigrationRecord
  onBegin(migration: Migration, index: number): void
  onEnd(migration: Migration, how: 'run' | 'satisfied', ms: number): void
}

/** Calls a function of a migration. Throws `halted`, naming the migration, where that does not give true or false. */
export interface Caller {
  call(migration: Migration, name: FunctionName): Promise<boolean>
  apply(migration: Migration): Promise<Applied>
  close(): Promise<void>
}

/** Characters; the whole of it went to the log. */
const LONGEST_MESSAGE = 8_000

/** A call that takes longer has hung, unless the migration says otherwise. */
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
  const caller = migrationCaller(world, run)
  const recorder = await openRecorder(paths, run.record)
  try {
    for (const [index, migration] of run.pending.entries()) {
      run.onBegin(migration, index)
      const startedMs = world.monotonic()
      const applying = apply(caller, migration)
      const sha256 = hashOf(migration) // while it runs elsewhere
      const how = await applying
      const ms = Math.round(world.monotonic() - startedMs)
      recorder.add({ id: migration.id, at: isoTime(world), ms, how, telec: VERSION, sha256 })
      counts[how] += 1
      run.onEnd(migration, how, ms)
    }
  } finally {
    await caller.close()
    await recorder.close()
  }
  return counts
}

/** The runtimes of all languages behind one call, each started when it is first needed. */
export function migrationCaller(world: World, surroundings: Surroundings): Caller {
  const options: RuntimeOptions = {
    cwd: surroundings.checkout,
    env: {
      ...world.env,
      TELEC_HOME: surroundings.home,
      TELEC_CHECKOUT: surroundings.checkout,
      TELEC_FROM: surroundings.from ?? '',
      TELEC_TO: surroundings.to ?? '',
    },
    timeoutMs: CALL_TIMEOUT_MS,
    onLine: (line) => world.log.info(`  | ${line}`),
  }
  const start: Readonly<Record<Language, () => Runtime>> = {
    node: () => nodeRuntime(world, options),
    python: () => pythonRuntime(options),
    executable: () => executableRuntime(options),
  }
  const started = new Map<Language, Runtime>()
  const runtimeOf = ({ language }: Migration): Runtime => {
    const runtime = started.get(language) ?? start[language]()
    started.set(language, runtime)
    return runtime
  }
  return {
    call: async (migration, name) =>
      valueIn(migration, await runtimeOf(migration).call(migration.path, name)),
    apply: async (migration) => valueIn(migration, await runtimeOf(migration).apply(migration.path)),
    async close() {
      for (const runtime of started.values()) await runtime.close()
    },
  }
}

function valueIn<Value>(migration: Migration, result: CallResult<Value>): Value {
  if (result.ok) return result.value
  const because = [result.output, result.error].filter(Boolean).join('\n').slice(-LONGEST_MESSAGE)
  throw migrationFailure(migration, result.at === null ? 'failed' : `failed in ${result.at}()`, because)
}

async function apply(caller: Caller, migration: Migration): Promise<'run' | 'satisfied'> {
  const applied = await caller.apply(migration)
  if (applied === 'run' || applied === 'satisfied') return applied
  if (applied === 'refused') throw migrationFailure(migration, 'failed', 'migrate() returned false')
  throw migrationFailure(
    migration,
    'is not idempotent',
    'check() is still false after migrate() returned true',
  )
}

export function migrationFailure({ id, path }: Migration, what: string, because: string): TelecError {
  return new TelecError('halted', `migration ${id} ${what}`, {
    because,
    migration: id,
    hint: `mend ${path} in a new commit, or here and then: telec-update --retry`,
  })
}

/** SHA-256 of a migration's file, in hex. */
export function hashOf({ path }: Pick<Migration, 'path'>): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
