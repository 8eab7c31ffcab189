import { existsSync } from 'node:fs'
import compare from 'semver/functions/compare'
import type { Detail } from '../state/migrations.ts'
import { TelecError } from '../system/errors.ts'
import { localTime } from '../system/local-time.ts'
import type { World } from '../system/world.ts'
import type { MigrationPlan } from './plan.ts'
import { hashOf, type Surroundings, withMigration } from './run.ts'

/** `gone`: recorded, and no longer in the checkout. `before`: came with the version at which telec was set up. */
export type State = 'applied' | 'pending' | 'late' | 'gone' | 'before' | 'later'

export interface Row {
  readonly id: string
  readonly state: State
  readonly detail: Detail | null
  /** The script differs from the one that was applied. */
  readonly changed: boolean
  /** What `check()` says against the record; null where they agree, or it was not asked. */
  readonly drift: 'no longer true' | 'true, but not recorded' | 'check() failed' | null
  /** Why `check()` gave no answer. */
  readonly error: string | null
}

/** Every migration that is known here: those of the checkout in their order, then those that are gone. */
export function migrationRows({
  record,
  migrations,
  pending,
}: Pick<MigrationPlan, 'record' | 'migrations' | 'pending'>): Row[] {
  const planned = new Map(pending.map((migration) => [migration.id, migration]))
  const here = migrations.map((migration): Row => {
    const { id, version, path } = migration
    const detail = record.applied.get(id) ?? null
    const changed = detail?.sha256 != null && (!existsSync(path) || detail.sha256 !== hashOf(migration))
    const row = { id, detail, changed, drift: null, error: null }
    if (record.applied.has(id)) return { ...row, state: 'applied' }
    const due = planned.get(id)
    if (due) return { ...row, state: due.late ? 'late' : 'pending' }
    const isBefore = record.baseline != null && compare(version, record.baseline) <= 0
    return { ...row, state: isBefore ? 'before' : 'later' }
  })
  const present = new Set(migrations.map(({ id }) => id))
  const gone = [...record.applied].filter(([id]) => !present.has(id))
  const nothing = { changed: false, drift: null, error: null }
  return [...here, ...gone.map(([id, detail]): Row => ({ id, state: 'gone', detail, ...nothing }))]
}

/** The same rows with what each script's `check()` says of this computer now. */
export async function askForDrift(
  world: World,
  rows: readonly Row[],
  { migrations }: MigrationPlan,
  surroundings: Surroundings,
): Promise<Row[]> {
  const asked: Row[] = []
  for (const row of rows) {
    const script = migrations.find(({ id }) => id === row.id)
    if (!script || row.state === 'before' || row.state === 'later') {
      asked.push(row)
      continue
    }
    try {
      const isTrue = await withMigration(world, surroundings, script, (call) => call('check'))
      const drift = isTrue ? 'true, but not recorded' : 'no longer true'
      asked.push({ ...row, drift: isTrue === (row.state === 'applied') ? null : drift })
    } catch (error) {
      // The others are asked all the same.
      if (!(error instanceof TelecError)) throw error
      asked.push({ ...row, drift: 'check() failed', error: error.because ?? error.message })
    }
  }
  return asked
}

/** What `check()` says of a migration that is pending. */
export interface Answer {
  readonly id: string
  readonly says: 'true' | 'false' | 'failed'
  readonly error: string | null
}

/** Asks each of those that are pending; runs nothing else. */
export async function askPending(
  world: World,
  plan: MigrationPlan,
  surroundings: Surroundings,
): Promise<Answer[]> {
  const pending = new Set(plan.pending.map(({ id }) => id))
  const rows = migrationRows(plan).filter(({ id }) => pending.has(id))
  return (await askForDrift(world, rows, plan, surroundings)).map(({ id, drift, error, state }) => {
    const isTrue = (drift === null) === (state === 'applied')
    return { id, error, says: drift === 'check() failed' ? 'failed' : isTrue ? 'true' : 'false' }
  })
}

/** The rows for people, one a line, and below it why its `check()` gave no answer. */
export function showRows(rows: readonly Row[]): string {
  if (rows.length === 0) return 'there are no migrations\n'
  const width = Math.max(...rows.map(({ id }) => id.length))
  return rows
    .map(({ id, state, detail, changed, drift, error }) => {
      const took = detail?.ms == null ? '' : `${(detail.ms / 1000).toFixed(2)} s`
      const remarks = [detail?.how === 'run' ? null : detail?.how, changed ? 'changed since' : null, drift]
      const columns = [
        id.padEnd(width),
        state.padEnd(7),
        (detail ? localTime(detail.at) : '').padEnd(25),
        took.padStart(8),
      ]
      const line = [...columns, remarks.filter(Boolean).join('; ')].join('  ').trimEnd()
      return [line, ...(error?.split('\n').map((text) => `  ${text}`) ?? []), ''].join('\n')
    })
    .join('')
}
