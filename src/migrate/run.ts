import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import type { Config } from '../config/schema.ts'
import { createSyncFor, type Service } from '../config/service.ts'
import { commandEnvironment, serviceEnvironment } from '../service/environment.ts'
import { runShell, shellFailure } from '../service/shell.ts'
import { openRecorder } from '../state/migrations.ts'
import { kindOf } from '../system/errors.ts'
import { sha256 } from '../system/hash.ts'
import { VERSION } from '../system/version.ts'
import { isoTime } from '../system/world.ts'
import type { Language, Migration } from './discover.ts'
import { migrationFailure } from './failure.ts'
import { type MigrationPlan, type Planned, verifyAsCommitted } from './plan.ts'
import { verifyRunnable } from './runnable.ts'
import { executableRuntime } from './runtimes/executable.ts'
import { nodeRuntime, pythonRuntime } from './runtimes/hosts.ts'
import { type Call, logLine, type Runtime, type Surroundings } from './runtimes/runtime.ts'

export interface Versions {
  readonly from: string | null
  readonly to: string | null
}

export async function surroundingsOf(service: Service, versions: Versions): Promise<Surroundings> {
  const { world, config, paths } = service
  const { checkout } = config.deployment
  const command = await commandEnvironment(service, await serviceEnvironment(service))
  const env = { ...command, ...variablesOf(paths.home, checkout, versions) }
  return { world, checkout, code: checkout, env, python: pythonOf(config) }
}

/** The variables of a migration beside those of the service. */
export function variablesOf(home: string, checkout: string, { from, to }: Versions) {
  return { TELEC_HOME: home, TELEC_CHECKOUT: checkout, TELEC_FROM: from ?? '', TELEC_TO: to ?? '' }
}

/** The interpreter of `deployment.python`, which may be a virtual environment. */
function pythonOf({ deployment: { python, checkout } }: Config): string {
  if (!python.includes('/') && !existsSync(join(checkout, python, 'pyvenv.cfg'))) return python
  const path = resolve(checkout, python)
  return existsSync(join(path, 'pyvenv.cfg')) ? join(path, 'bin/python3') : path
}

/**
 * Runs the pending migrations one by one: `check()`, and where that is false `migrate()` and `check()` again. Records each
 * before the next begins, once its effect is synced. Throws `halted` at the first that fails.
 *
 * @returns how many ran, and how many needed nothing.
 */
export async function runPlan(
  service: Service,
  plan: MigrationPlan,
  versions: Versions,
): Promise<{ run: number; satisfied: number }> {
  setFlagsFromString('--optimize-for-size') // else the heap grows with each process
  const { world, paths } = service
  const { record, pending, unknown } = plan
  for (const path of unknown) world.log.warning(`migrate: ${path} is not in the commit, and is not run`)
  await verifyAsCommitted(service, plan)
  const surroundings = await surroundingsOf(service, versions)
  const hashes = pending.map(hashOf)
  for (const migration of pending) verifyRunnable(migration, surroundings)
  await runBefore(service, surroundings.env, pending)
  const counts = { run: 0, satisfied: 0 }
  const recorder = await openRecorder(paths, record)
  const sync = createSyncFor(service)
  let isSynced = false // the effects of a killed run may not be on the disk yet
  try {
    for (const [index, migration] of pending.entries()) {
      const { id } = migration
      world.log.debug(`migrate: ${id} begins`)
      world.log.progress(`migrating ${index + 1} of ${pending.length}: ${id}`)
      const startedMs = world.monotonic()
      const how = await withMigration(surroundings, migration, (call) => apply(migration, call))
      if (migration.again && how === 'satisfied') continue
      if (migration.again)
        world.log.notice(`migrate: ${id} was recorded, and its effect was lost: it ran again`)
      const ms = Math.round(world.monotonic() - startedMs)
      if (how === 'run' || !isSynced) await sync()
      isSynced = true
      recorder.add({
        id,
        boot: world.bootId(),
        at: isoTime(world),
        ms,
        how,
        telec: VERSION,
        sha256: hashes[index] ?? null,
      })
      counts[how] += 1
      const done = how === 'run' ? 'done' : 'satisfied already'
      world.log.info(`migrate: ${id} ${done} (${(ms / 1000).toFixed(2)} s)`)
    }
  } finally {
    world.log.progress(null)
    await recorder.close()
  }
  return counts
}

/** Runs `deployment.before_migrate`, such as a backup, with the pending migrations as JSON on its input. */
async function runBefore(
  { world, config }: Service,
  env: NodeJS.ProcessEnv,
  pending: readonly Planned[],
): Promise<void> {
  const { before_migrate: command, install_timeout: timeoutMs, checkout } = config.deployment
  if (!command || pending.length === 0) return
  world.log.progress('running before_migrate')
  const result = await runShell(world, command, {
    cwd: checkout,
    env,
    timeoutMs,
    input: JSON.stringify(pending.map(({ id, path, late }) => ({ id, path, late }))),
    onLine: logLine(world),
  })
  if (result.code !== 0) throw shellFailure('the before_migrate command', command, checkout, result)
}

async function apply(migration: Migration, call: Call): Promise<'run' | 'satisfied'> {
  if (await call('check')) return 'satisfied'
  if (!(await call('migrate'))) throw migrationFailure(migration, 'failed', 'migrate() returned false')
  if (await call('check')) return 'run'
  throw migrationFailure(
    migration,
    'is not idempotent',
    'check() is still false after migrate() returned true',
  )
}

const RUNTIMES: Readonly<Record<Language, Runtime>> = {
  node: nodeRuntime,
  python: pythonRuntime,
  executable: executableRuntime,
}

/** Prepares a migration for `use`, in its own process, which has ended with all its leftovers when this resolves. */
export async function withMigration<Result>(
  surroundings: Surroundings,
  migration: Migration,
  use: (call: Call) => Promise<Result>,
): Promise<Result> {
  verifyRunnable(migration, surroundings)
  const { call, close } = RUNTIMES[migration.language](migration, surroundings)
  return use(call).finally(close)
}

/** SHA-256 of a migration's file, in hex. */
export function hashOf(migration: Migration): string {
  try {
    if (!statSync(migration.path).isFile()) throw new Error('it is not a plain file')
    return sha256(readFileSync(migration.path))
  } catch (error) {
    throw migrationFailure(migration, 'cannot be read', (error as Error).message, kindOf(error))
  }
}
