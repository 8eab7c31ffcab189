import { Command } from 'commander'
import type { Paths } from '../../../config/paths.ts'
import { locate } from '../../../config/services.ts'
import type { MigrationPlan } from '../../../migrate/plan.ts'
import { runPlan } from '../../../migrate/run.ts'
import { readMigrationRecord } from '../../../state/migrations.ts'
import { TelecError } from '../../../system/errors.ts'
import { guardGroups } from '../../../system/groups.ts'
import { acquireLock } from '../../../system/lock.ts'
import { JSON_OPTION } from '../../command-line.ts'
import type { DefineCommand } from '../../main.ts'
import { newCommand, verifyCommand } from './author.ts'
import { addWanted, planAsData, planAsText, planByHand, planCommand, type Wanted } from './plan.ts'
import { markCommand, statusCommand } from './record.ts'

interface Options extends Wanted {
  readonly dryRun: boolean
  readonly json: boolean
}

export const migrateCommand: DefineCommand = (world, exitWith) => {
  const command = addWanted(
    new Command('migrate')
      .description('run the pending migrations')
      .option('--dry-run', 'print the plan; run nothing, ask no check()', false),
  )
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
Examples:
  telec-migrate --dry-run                 list the pending migrations
  telec-migrate                           run them
  telec-migrate --worktree                run those that are not committed, too
  telec-migrate --from 1.1.0 --to 1.2.0   run those of versions above 1.1.0, up to 1.2.0
  telec-migrate plan --check              list the pending migrations, and ask each check()
  telec-migrate status --check            list all migrations, and ask each check()`,
    )
    .action(async (options: Options) => {
      const { dryRun, json } = options
      if (!dryRun) acquireLock(world, locate(world).lock) // until this program ends
      const { service, plan, versions } = await planByHand(world, options)
      if (!json || dryRun) world.out(json ? planAsData(plan) : planAsText(plan))
      if (dryRun) return
      const running = runPlan(service, plan, versions).finally(guardGroups())
      const counts = await running.catch((error: unknown) => {
        if (json && error instanceof TelecError) world.out(failureAsData(plan, service.paths, error))
        throw error
      })
      if (json) world.out({ ...planAsData(plan), ...counts })
      else if (plan.pending.length > 0)
        world.out(`${counts.run} run, ${counts.satisfied} satisfied already\n`)
    })
  for (const define of [planCommand, statusCommand, newCommand, verifyCommand, markCommand])
    command.addCommand(define(world, exitWith))
  return command
}

/** The recorded migrations before the failed one, and the error. */
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
