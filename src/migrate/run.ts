import { readFileSync, statSync } from 'node:fs'
import type { Service } from '../config/service.ts'
import { type Entry, type MigrationRecord, openRecorder } from '../state/migrations.ts'
import { type Account, actAs } from '../system/account.ts'
import { kindOf, TelecError } from '../system/errors.ts'
import { sha256 } from '../system/hash.ts'
import { VERSION } from '../system/version.ts'
import { isoTime, type World } from '../system/world.ts'
import type { Language, Migration } from './discover.ts'
import { executableRuntime } from './runtimes/executable.ts'
import { nodeRuntime } from './runtimes/node.ts'
import type { Applied, FunctionName, Job } from './runtimes/protocol.ts'
import { pythonRuntime } from './runtimes/python.ts'
import type { Failure, Runtime, RuntimeOptions } from './runtimes/runtime.ts'

/** What migrations find in their environment, and where they run. */
export interface Surroundings {
  readonly home: string
  readonly checkout: string
  /** In whose name they run; null: whoever telec runs as. */
  readonly owner: Account | null
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
  close(): Promise<void>
}

/** Applies migrations of one language, as `Runtime.apply` does. Throws `halted`, naming the one that failed. */
interface Applier extends Caller {
  apply(
    migrations: readonly Migration[],
    jobs: readonly Job[],
    onApplied: (applied: Applied, entry: Entry | null) => void,
  ): Promise<void>
}

/** Characters; the whole of it went to the log. */
const LONGEST_MESSAGE = 8_000

/** A call that takes longer has hung, unless the migration says otherwise. */
const CALL_TIMEOUT_MS = 10 * 60_000

/** More at once would take too long to hash before the first of them begins. */
const LARGEST_BATCH = 256

/**
 * Runs the pending migrations in turn: `check()`, and where that is not true `migrate()` and `check()` again. Each
 * is recorded durably before the next begins. Throws `halted`, naming the migration, at the first that fails.
 *
 * @returns how many were run and how many were found to be satisfied.
 */
export async function runMigrations(
  { world, paths }: Service,
  run: MigrationRun,
): Promise<{ run: number; satisfied: number }> {
  const { pending } = run
  const counts = { run: 0, satisfied: 0 }
  const recorder = await openRecorder(paths, run.record, pending.length)
  const applier = createApplier(world, run, recorder)
  let done = 0
  // As many at a time as were recorded without our help: where each needs it, asking for many is wasted.
  let size = 1
  const jobs: Job[] = []
  const hashUpTo = (end: number) => {
    for (const migration of pending.slice(jobs.length, end)) jobs.push(jobOf(migration))
  }
  const applyBatch = async (batch: readonly Migration[]): Promise<void> => {
    const [first, end] = [done, done + batch.length]
    hashUpTo(end)
    let startedMs = begin()
    const applying = applier.apply(batch, jobs.slice(first, end), (applied, recorded) => {
      const [migration, job] = [pending[done], jobs[done]]
      if (!migration || !job) return
      const how = verifyDone(migration, applied)
      const ms = recorded?.ms ?? Math.round(world.monotonic() - startedMs)
      if (recorded) recorder.note(recorded)
      else recorder.add({ id: job.id, at: isoTime(world), ms, how, telec: job.telec, sha256: job.sha256 })
      counts[how] += 1
      done += 1
      run.onEnd(migration, how, ms)
      size = recorded ? Math.min(size * 2, LARGEST_BATCH) : 1
      if (recorded && done < end) startedMs = begin()
    })
    // The next ones are hashed while these run elsewhere; what cannot be read is said when it is its turn.
    if (batch.length > 1) attempt(() => hashUpTo(end + 2 * batch.length))
    await applying
  }
  const begin = (): number => {
    const migration = pending[done]
    if (migration) run.onBegin(migration, done)
    return world.monotonic()
  }
  try {
    while (done < pending.length) await applyBatch(ofOneLanguage(pending.slice(done, done + size)))
  } finally {
    await applier.close()
    await recorder.close()
  }
  return counts
}

function attempt(action: () => void): void {
  try {
    action()
  } catch {
    // it is done again, where it may fail
  }
}

/** The first ones, as far as one runtime takes them. */
function ofOneLanguage(migrations: readonly Migration[]): readonly Migration[] {
  const other = migrations.findIndex(({ language }) => language !== migrations[0]?.language)
  return other === -1 ? migrations : migrations.slice(0, other)
}

function jobOf(migration: Migration): Job {
  return { file: migration.path, id: migration.id, telec: VERSION, sha256: hashOf(migration) }
}

export function migrationCaller(world: World, surroundings: Surroundings): Caller {
  return createApplier(world, surroundings, null)
}

/** The runtimes of all languages behind one call, each started when it is first needed. */
function createApplier(
  world: World,
  surroundings: Surroundings,
  recorder: RuntimeOptions['recorder'],
): Applier {
  const { owner } = surroundings
  const options: RuntimeOptions = {
    cwd: surroundings.checkout,
    owner,
    env: {
      ...actAs(world, owner).env,
      TELEC_HOME: surroundings.home,
      TELEC_CHECKOUT: surroundings.checkout,
      TELEC_FROM: surroundings.from ?? '',
      TELEC_TO: surroundings.to ?? '',
    },
    timeoutMs: CALL_TIMEOUT_MS,
    recorder: owner === null ? recorder : null, // what is recorded is not for others to write
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
    async call(migration, name) {
      const returned = await runtimeOf(migration).call(migration.path, name)
      if (typeof returned === 'boolean') return returned
      throw callFailure(migration, returned)
    },
    async apply(migrations, jobs, onApplied) {
      let done = 0
      const [first] = migrations
      const failure = first
        ? await runtimeOf(first).apply(jobs, (applied, entry) => {
            onApplied(applied, entry)
            done += 1
          })
        : null
      const failed = migrations[done]
      if (failure && failed) throw callFailure(failed, failure)
    },
    async close() {
      for (const runtime of started.values()) await runtime.close()
    },
  }
}

function callFailure(migration: Migration, { at, error, output }: Failure): TelecError {
  const because = [output, error].filter(Boolean).join('\n').slice(-LONGEST_MESSAGE)
  return migrationFailure(migration, at === null ? 'failed' : `failed in ${at}()`, because)
}

function verifyDone(migration: Migration, applied: Applied): 'run' | 'satisfied' {
  if (applied === 'run' || applied === 'satisfied') return applied
  if (applied === 'refused') throw migrationFailure(migration, 'failed', 'migrate() returned false')
  throw migrationFailure(
    migration,
    'is not idempotent',
    'check() is still false after migrate() returned true',
  )
}

export function migrationFailure(
  { id, path }: Migration,
  what: string,
  because: string,
  kind: 'halted' | 'later' = 'halted',
): TelecError {
  return new TelecError(kind, `migration ${id} ${what}`, {
    because,
    migration: id,
    hint: `mend ${path} in a new commit, or here and then: telec-update --retry`,
  })
}

/** SHA-256 of a migration's file, in hex. Throws `halted` where it cannot be read. */
export function hashOf(migration: Migration): string {
  try {
    if (!statSync(migration.path).isFile()) throw new Error('it is no plain file') // a pipe, a device
    return sha256(readFileSync(migration.path))
  } catch (error) {
    throw migrationFailure(migration, 'cannot be read', (error as Error).message, kindOf(error))
  }
}
