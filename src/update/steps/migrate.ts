import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isSparse, treeHas } from '../../git/checkout.ts'
import { migrationsFolder, planMigrations, verifyVersionIsKnown } from '../../migrate/plan.ts'
import { runPlan } from '../../migrate/run.ts'
import { gitAt, shellWord, TelecError } from '../../system/errors.ts'
import type { StepContext } from '../context.ts'

/** Runs the target's migrations, while the service still runs the old code. */
export async function migrate(context: StepContext): Promise<string> {
  const { world, update } = context
  if (update.rollback) {
    const { migrations } = update.rollback
    return migrations.length === 0 ? 'nothing to undo' : `not undone: ${migrations.join(', ')}`
  }
  const versions = { from: update.from.version, to: update.target.version }
  await verifyMigrationsAreHere(context)
  // `from` is not the deployed version: a commit may add a migration to a version that is deployed already.
  const bounds = { from: null, to: versions.to, deployed: versions.from }
  const source = async () => [context.repository, update.target.commit] as const
  const plan = await planMigrations(context, bounds, source, isWhole(context))
  verifyVersionIsKnown(plan, versions.to)
  for (const { id, late } of plan.pending)
    if (late)
      world.log.info(`migrate: ${id} is late: a commit added it to a version that is deployed already`)
  const { run, satisfied } = await runPlan(context, plan, versions)
  if (run + satisfied === 0) return 'nothing to migrate'
  return [run > 0 && `${run} run`, satisfied > 0 && `${satisfied} satisfied already`]
    .filter(Boolean)
    .join(', ')
}

/** Whether no tracked file was missing at verify; only the first attempt is sure. */
function isWhole({ repository: { workTree }, update: { attempts, local } }: StepContext): boolean {
  return attempts === 1 && local?.every((path) => existsSync(join(workTree, path))) === true
}

/** A sparse checkout may exclude them (git-sparse-checkout(1)). */
async function verifyMigrationsAreHere({ config, repository, update }: StepContext): Promise<void> {
  const { migrations } = config.deployment
  if (!isSparse(repository) || existsSync(migrationsFolder(config))) return
  if (!(await treeHas(repository, update.target.commit, migrations))) return
  throw new TelecError(
    'halted',
    `the target has migrations, and this sparse checkout excludes ${migrations}/`,
    {
      hint: `include them: ${gitAt(repository.workTree)} sparse-checkout add ${shellWord(migrations)}; then: telec-update --retry`,
    },
  )
}
