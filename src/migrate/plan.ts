import compare from 'semver/functions/compare'
import type { Migration } from './discover.ts'

export interface PlanInputs {
  readonly applied: ReadonlySet<string>
  /** The version at which telec was set up: what came with it or before was done by hand. Null: nothing was. */
  readonly baseline: string | null
  /** Narrow the plan to (from, to]. */
  readonly from: string | null
  readonly to: string | null
}

/**
 * The migrations to run, in their order: not applied yet, above the baseline, at or below `to`. Not "those between
 * two versions": on alpha a second script may join a version that this computer runs already. Pure.
 */
export function pendingMigrations(migrations: readonly Migration[], inputs: PlanInputs): Migration[] {
  const { applied, baseline, from, to } = inputs
  const isAbove = (version: string, bound: string | null) => bound === null || compare(version, bound) > 0
  return migrations.filter(
    ({ id, version }) =>
      !applied.has(id) &&
      isAbove(version, baseline) &&
      isAbove(version, from) &&
      (to === null || compare(version, to) <= 0),
  )
}
