import { existsSync } from 'node:fs'
import compare from 'semver/functions/compare'
import type { Detail } from '../state/migrations.ts'
import { foreseen } from '../system/errors.ts'
import { localTime } from '../system/local-time.ts'
import type { Migration } from './discover.ts'
import type { MigrationPlan } from './plan.ts'
import { hashOf, withMigration } from './run.ts'
import type { Surroundings } from './runtimes/runtime.ts'

/** `gone`: recorded, but no longer in the checkout. `before`: telec was set up at that version or a newer one. */
export type State = 'applied' | 'pending' | 'late' | 'gone' | 'before' | 'later'

export interface Row {
  readonly id: string
  readonly state: State
  readonly detail: Detail | null
  /** The file differs from the one that was applied. */
  readonly changed: boolean
  /** How `check()` contradicts the record; null: it does not, or was not asked. */
  readonly drift: 'no longer true' | 'true, but not recorded' | 'check() failed' | null
  /** Why `check()` failed. */
  readonly error: string | null
}

/** The migrations of the checkout in their order, then those that are gone. */
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
    const pendingOne = planned.get(id)
    if (pendingOne) return { ...row, state: pendingOne.late ? 'late' : 'pending' }
    const isBefore = record.baseline != null && compare(version, record.baseline) <= 0
    return { ...row, state: isBefore ? 'before' : 'later' }
  })
  const present = new Set(migrations.map(({ id }) => id))
  const gone = [...record.applied].filter(([id]) => !present.has(id))
  const nothing = { changed: false, drift: null, error: null }
  return [...here, ...gone.map(([id, detail]): Row => ({ id, state: 'gone', detail, ...nothing }))]
}

/** The answer of a migration's `check()`. */
export interface Answer {
  readonly id: string
  readonly says: 'true' | 'false' | 'failed'
  readonly error: string | null
}

/** Asks the `check()` of each migration, also after a failure; runs nothing else. */
export async function askChecks(
  migrations: readonly Migration[],
  surroundings: Surroundings,
): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const migration of migrations) {
    const { id } = migration
    try {
      const isTrue = await withMigration(surroundings, migration, (call) => call('check'))
      answers.push({ id, says: isTrue ? 'true' : 'false', error: null })
    } catch (error) {
      const { because, message } = foreseen(error)
      answers.push({ id, says: 'failed', error: because ?? message })
    }
  }
  return answers
}

/** The same rows, compared with the `check()` of each migration that is applied or pending. */
export async function askForDrift(
  rows: readonly Row[],
  { migrations }: MigrationPlan,
  surroundings: Surroundings,
): Promise<Row[]> {
  const isAsked = ({ state }: Row) => state !== 'before' && state !== 'later'
  const ids = new Set(rows.filter(isAsked).map(({ id }) => id))
  const asked = migrations.filter(({ id }) => ids.has(id))
  const answers = new Map((await askChecks(asked, surroundings)).map((answer) => [answer.id, answer]))
  return rows.map((row) => ({ ...row, ...driftOf(row, answers.get(row.id)) }))
}

function driftOf({ state }: Row, answer: Answer | undefined): Pick<Row, 'drift' | 'error'> {
  if (answer === undefined) return { drift: null, error: null }
  if (answer.says === 'failed') return { drift: 'check() failed', error: answer.error }
  const isTrue = answer.says === 'true'
  const drift = isTrue ? 'true, but not recorded' : 'no longer true'
  return { drift: isTrue === (state === 'applied') ? null : drift, error: null }
}

/** One line for each row, followed by the error of its `check()`. */
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
