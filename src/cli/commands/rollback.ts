import { Command } from 'commander'
import { nameOf } from '../../channel/target.ts'
import { openService } from '../../config/service.ts'
import { readMigrationRecord } from '../../state/migrations.ts'
import { readUpdateState } from '../../state/update-state.ts'
import { TelecError } from '../../system/errors.ts'
import { printable } from '../../system/log.ts'
import { planRollback, type RollbackPlan } from '../../update/rollback.ts'
import type { DefineCommand } from '../main.ts'
import { runUpdate } from './run-update.ts'

interface Options {
  readonly force: boolean
  readonly stash: boolean
  readonly dryRun: boolean
  readonly json: boolean
}

export const rollbackCommand: DefineCommand = (world, leave) =>
  new Command('rollback')
    .description('go back to what was deployed before: check out, install, restart, confirm')
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
back from is held: it is not taken again before there is another target. To take it all the same: telec-update --retry.
It does not wait for the window, nor for the end of a pause.

Examples:
  telec-update rollback --dry-run   where it would go
  telec-update rollback             go there
  telec-update rollback --force     although migrations ran since: the version before can do with what they did`,
    )
    .action(async ({ force, stash, dryRun, json }: Options) => {
      const service = await openService(world)
      const { paths } = service
      const state = readUpdateState(paths)
      if (state === null)
        throw new TelecError('halted', 'telec has deployed nothing on this computer yet', {
          hint: 'look what there is: telec status',
        })
      const plan = planRollback(state, readMigrationRecord(paths))
      const tell = () =>
        world.out(json ? `${JSON.stringify(plan, null, 2)}\n` : dryRun ? printable(described(plan)) : '')
      if (dryRun) return tell()
      const permits = stash ? (['stash'] as const) : []
      const code = await runUpdate(service, { retry: false, now: false, permits, rollback: { force } })
      tell()
      leave(code)
    })

function described({ from, target, migrations }: RollbackPlan): string {
  const ran = [
    `${migrations.length} migration(s) ran since then, and are not undone (--force):\n`,
    ...migrations.map((id) => `  ${id}\n`),
  ]
  return [
    `from ${nameOf(from)} back to ${nameOf(target)}\n`,
    ...(migrations.length > 0 ? ran : ['no migration ran since then\n']),
  ].join('')
}
