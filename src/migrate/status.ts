import compare from 'semver/functions/compare'
import type { MigrationPlan } from './engine.ts'
import type { Detail } from './record.ts'
import { type Caller, hashOf } from './run.ts'

/** `gone`: recorded, and no longer in the checkout. `before`: came with the version at which telec was set up. */
export type State = 'applied' | 'pending' | 'late' | 'gone' | 'before' | 'later'

export interface Row {
  readonly id: string
  readonly state: State
  readonly detail: Detail | null
  /** The script differs from the one that was applied. */
  readonly changed: boolean
  /** What `check()` says against the record; null where they agree, or it was not asked. */
  readonly drift: 'no longer true' | 'true, but not recorded' | null
}

/** Every migration that is known here: those of the checkout in their order, then those that are gone. */
export function migrationRows({ record, migrations, pending }: MigrationPlan): Row[] {
  const planned = new Map(pending.map((migration) => [migration.id, migration]))
  const here = migrations.map((migration): Row => {
    const { id, version } = migration
    const detail = record.applied.get(id) ?? null
    const changed = detail?.sha256 != null && detail.sha256 !== hashOf(migration)
    const row = { id, detail, changed, drift: null }
    if (record.applied.has(id)) return { ...row, state: 'applied' }
    const due = planned.get(id)
    if (due) return { ...row, state: due.late ? 'late' : 'pending' }
    const isBefore = record.baseline != null && compare(version, record.baseline) <= 0
    return { ...row, state: isBefore ? 'before' : 'later' }
  })
  const present = new Set(migrations.map(({ id }) => id))
  const gone = [...record.applied].filter(([id]) => !present.has(id))
  return [
    ...here,
    ...gone.map(([id, detail]): Row => ({ id, state: 'gone', detail, changed: false, drift: null })),
  ]
}

/** The same rows with what each script's `check()` says of this computer now. */
export async function askForDrift(rows: readonly Row[], plan: MigrationPlan, caller: Caller): Promise<Row[]> {
  const scripts = new Map(plan.migrations.map((migration) => [migration.id, migration]))
  const asked: Row[] = []
  for (const row of rows) {
    const script = scripts.get(row.id)
    const isAsked = row.state === 'applied' || row.state === 'pending' || row.state === 'late'
    if (!script || !isAsked) asked.push(row)
    else {
      const isTrue = await caller.call(script, 'check')
      const drift =
        row.state === 'applied'
          ? isTrue
            ? null
            : 'no longer true'
          : isTrue
            ? 'true, but not recorded'
            : null
      asked.push({ ...row, drift })
    }
  }
  return asked
}

/** The rows for people, one a line. */
export function showRows(rows: readonly Row[]): string {
  if (rows.length === 0) return 'there are no migrations\n'
  const width = Math.max(...rows.map(({ id }) => id.length))
  return rows
    .map(({ id, state, detail, changed, drift }) => {
      const took = detail?.ms == null ? '' : `${(detail.ms / 1000).toFixed(2)} s`
      const remarks = [detail?.how === 'run' ? null : detail?.how, changed ? 'changed since' : null, drift]
      const columns = [id.padEnd(width), state.padEnd(7), (detail?.at ?? '').padEnd(24), took.padStart(8)]
      return `${[...columns, remarks.filter(Boolean).join('; ')].join('  ').trimEnd()}\n`
    })
    .join('')
}
