import { nameOf } from '../../channel/target.ts'
import { openService } from '../../config/service.ts'
import { readChoices } from '../../state/choices.ts'
import { readMigrationRecord } from '../../state/migrations.ts'
import { count } from '../../system/plural.ts'
import { planRollback, type RollbackPlan } from '../../update/rollback.ts'
import { JSON_OPTION, serviceCommand } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'
import { readDeployed } from './choices.ts'
import { runUpdate } from './run-update.ts'

type Options = Record<'force' | 'stash' | 'dryRun' | 'json', boolean> & { readonly to?: string | null }

export const rollbackCommand: DefineCommand = (world, exitWith) =>
  serviceCommand('rollback', 'return to the previous version: check out, install, restart, confirm')
    .option('--to <version>', 'a version or commit that was deployed here')
    .option('--force', 'roll back past migrations, which are not undone', false)
    .option('--stash', 'stash local changes in the way under a ref', false)
    .option('--dry-run', 'show the target and the migrations since; change nothing', false)
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
It returns to the version before the deployed one, or after a halted update to the deployed one. telec does not take the versions
that you roll back from until there is a newer target; to take them anyway: telec-update --retry. A rollback ignores the
window and a pause. A pinned computer is then pinned to the older version. A rollback skips versions that you hold (telec hold),
unless --to names one. telec keeps the last 20 deployed versions: telec history.

Examples:
  telec-update rollback --dry-run   show the target
  telec-update rollback             return to it
  telec-update rollback --to 1.7.0  return to an older version
  telec-update rollback --force     although migrations ran since: the older version works with their changes`,
    )
    .action(async (_, { to = null, force, stash, dryRun, json }: Options) => {
      const service = await openService(world)
      const { paths } = service
      const state = readDeployed(paths)
      const plan = planRollback(state, readMigrationRecord(paths), to, readChoices(paths).held)
      if (dryRun) return world.out(json ? plan : describe(plan))
      const permits = stash ? (['stash'] as const) : []
      const code = await runUpdate(service, { retry: false, now: false, permits, rollback: { force, to } })
      if (json) world.out(plan)
      exitWith(code)
    })

function describe({ from, target, migrations }: RollbackPlan): string {
  const ran =
    migrations.length === 0
      ? ['no migration ran since then']
      : [`${count(migrations.length, 'migration')} ran since then; a rollback does not undo them (--force):`]
  return `from ${nameOf(from)} back to ${nameOf(target)}\n${[...ran, ...migrations].join('\n  ')}\n`
}
