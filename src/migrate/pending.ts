import compare from 'semver/functions/compare'
import type { Migration } from './discover.ts'

export interface PlanInputs {
  readonly applied: { has(id: string): boolean }
  /** The version at which telec was set up: what came with it or before was done by hand. Null: nothing was. */
  readonly baseline: string | null
  /** What this computer runs; a script at or below it is late. */
  readonly deployed: string | null
  /** Narrow the plan to (from, to]. */
  readonly from: string | null
  readonly to: string | null
}

export interface Planned extends Migration {
  /** It joined a version that this computer runs already. */
  readonly late: boolean
}

/**
 * The migrations to run, in their order: not applied yet, above the baseline, at or below `to`. Not "those between
 * two versions": on alpha a second script may join a version that this computer runs already. Pure.
 */
export function pendingMigrations(migrations: readonly Migration[], inputs: PlanInputs): Planned[] {
  const { applied, baseline, deployed, from, to } = inputs
  const isAbove = (version: string, bound: string | null) => bound === null || compare(version, bound) > 0
  const isWanted = oncePerVersion(
    (version) =>
      isAbove(version, baseline) && isAbove(version, from) && (to === null || !isAbove(version, to)),
  )
  const isLate = oncePerVersion((version) => deployed !== null && !isAbove(version, deployed))
  return migrations
    .filter(({ id, version }) => !applied.has(id) && isWanted(version))
    .map((migration) => ({ ...migration, late: isLate(migration.version) }))
}

/** Thousands of migrations share a few versions, and comparing those is dear. */
function oncePerVersion(ask: (version: string) => boolean): (version: string) => boolean {
  const answers = new Map<string, boolean>()
  return (version) => {
    const known = answers.get(version) ?? ask(version)
    answers.set(version, known)
    return known
  }
}
