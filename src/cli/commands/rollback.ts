import { Command } from 'commander'
import { nameOf } from '../../channel/target.ts'
import { openService } from '../../config/service.ts'
import { readChoices } from '../../state/choices.ts'
import { readMigrationRecord } from '../../state/migrations.ts'
import { readUpdateState } from '../../state/update-state.ts'
import { TelecError } from '../../system/errors.ts'
import { planRollback, type RollbackPlan } from '../../update/rollback.ts'
import { serviceArgument } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'
import { runUpdate } from './run-update.ts'

type Options = Record<'force' | 'stash' | 'dryRun' | 'json', boolean> & { readonly to?: string | null }

export const rollbackCommand: DefineCommand = (world, leave) =>
  new Command('rollback')
    .addArgument(serviceArgument())
    .description('go back to what was deployed before: check out, install, restart, confirm')
    .option('--to <version>', 'to that one of those that were deployed here: a version, or a commit')
    .option('--force', 'also where migrations ran since; they are not undone', false)
    .option('--stash', 'put local changes aside that are in the way, under a ref that is named', false)
    .option(
      '--dry-run',
      'say what it would go back to, and which migrations ran since; change nothing',
      false,
    )
    .option('--json', 'say the same as JSON, for programs', false)
    .addHelpText(
      'after',
      `
After an update that halted half-way it goes back to what is deployed, else to what was deployed before that. What it goes
back from, and what was deployed in between, is held: it is not taken again before there is another target. To take it all the same:
telec-update --retry. It does not wait for the window, nor for the end of a pause. A pinned computer stays pinned, to where
it went. What telec hold named is passed over, unless --to names it. telec history has what was deployed; the last 20 of it
can be gone back to.

Examples:
  telec-update rollback --dry-run   where it would go
  telec-update rollback             go there
  telec-update rollback --to 1.7.0  go further back
  telec-update rollback --force     although migrations ran since: the version before can do with what they did`,
    )
    .action(async (_, { to = null, force, stash, dryRun, json }: Options) => {
      const service = await openService(world)
      const { paths } = service
      const state = readUpdateState(paths)
      if (state === null)
        throw new TelecError('halted', 'telec has deployed nothing on this computer yet', {
          hint: 'look what there is: telec status',
        })
      const plan = planRollback(state, readMigrationRecord(paths), to, readChoices(paths).held)
      if (dryRun) return world.out(json ? plan : described(plan))
      const permits = stash ? (['stash'] as const) : []
      const code = await runUpdate(service, { retry: false, now: false, permits, rollback: { force, to } })
      if (json) world.out(plan)
      leave(code)
    })

function described({ from, target, migrations }: RollbackPlan): string {
  const ran =
    migrations.length === 0
      ? ['no migration ran since then']
      : [`${migrations.length} migration(s) ran since then, and are not undone (--force):`, ...migrations]
  return `from ${nameOf(from)} back to ${nameOf(target)}\n${ran.join('\n  ')}\n`
}
