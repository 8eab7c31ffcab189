import { Command } from 'commander'
import type { Paths } from '../../../config/paths.ts'
import { locate } from '../../../config/services.ts'
import type { MigrationPlan } from '../../../migrate/plan.ts'
import { runPlan } from '../../../migrate/run.ts'
import { readMigrationRecord } from '../../../state/migrations.ts'
import { TelecError } from '../../../system/errors.ts'
import { guardGroups } from '../../../system/groups.ts'
import { acquireLock } from '../../../system/lock.ts'
import type { DefineCommand } from '../../main.ts'
import { newCommand, verifyCommand } from './author.ts'
import { fromOption, planByHand, toOption, type Wanted, worktreeOption } from './by-hand.ts'
import { planAsData, planCommand, showPlan } from './plan.ts'
import { markCommand, statusCommand } from './record.ts'

interface Options extends Wanted {
  readonly dryRun: boolean
  readonly json: boolean
}

export const migrateCommand: DefineCommand = (world, leave) => {
  const command = new Command('migrate')
    .description('run the migrations that are pending on this computer')
    .option('--dry-run', 'print the plan; run nothing, ask no check()', false)
    .addOption(fromOption())
    .addOption(toOption())
    .addOption(worktreeOption())
    .option('--json', 'as JSON, for programs', false)
    .addHelpText(
      'after',
      `
Examples:
  telec-migrate --dry-run                 what is pending
  telec-migrate                           run it
  telec-migrate --worktree                run what is not committed yet, too
  telec-migrate --from 1.1.0 --to 1.2.0   only what came with versions above 1.1.0, up to 1.2.0
  telec-migrate plan --check              what is pending, and what its check() says
  telec-migrate status --check            what ran here, and whether it still holds`,
    )
    .action(async (options: Options) => {
      const { dryRun, json } = options
      if (!dryRun) acquireLock(world, locate(world).lock) // until this program ends
      const { service, plan, deployed } = await planByHand(world, options)
      if (!json || dryRun) world.out(json ? planAsData(plan) : showPlan(plan))
      if (dryRun) return
      const from = options.from ?? deployed
      const to = options.to ?? plan.migrations.at(-1)?.version ?? null
      const running = runPlan(service, plan, { from, to }).finally(guardGroups())
      const counts = await running.catch((error: unknown) => {
        if (json && error instanceof TelecError) world.out(failureAsData(plan, service.paths, error))
        throw error
      })
      if (json) world.out({ ...planAsData(plan), ...counts })
      else if (plan.pending.length > 0)
        world.out(`${counts.run} run, ${counts.satisfied} satisfied already\n`)
    })
  for (const define of [planCommand, statusCommand, newCommand, verifyCommand, markCommand])
    command.addCommand(define(world, leave))
  return command
}

/** What was done all the same, as it is recorded, and what failed. */
function failureAsData(plan: MigrationPlan, paths: Paths, { message, because, migration }: TelecError) {
  const { applied } = readMigrationRecord(paths)
  const done = plan.pending.map(({ id }) => applied.get(id)?.how)
  const count = (how: string) => done.filter((one) => one === how).length
  return {
    ...planAsData(plan),
    run: count('run'),
    satisfied: count('satisfied'),
    failed: { id: migration ?? null, message, because: because ?? null },
  }
}
