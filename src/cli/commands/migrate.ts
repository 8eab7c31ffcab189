import { Command, InvalidArgumentError } from 'commander'
import { normalVersion } from '../../channel/versions.ts'
import { loadConfig } from '../../config/load.ts'
import { locate } from '../../config/paths.ts'
import { headTarget } from '../../git/checkout.ts'
import { locateRepository } from '../../git/git.ts'
import { planMigrations, runPlan } from '../../migrate/pending.ts'
import { acquireLock } from '../../system/lock.ts'
import { readUpdateState } from '../../update/journal.ts'
import type { DefineCommand } from '../main.ts'

interface Options {
  readonly dryRun: boolean
  readonly from?: string
  readonly to?: string
}

export const migrateCommand: DefineCommand = (world) =>
  new Command('migrate')
    .description('run the migrations that are pending on this computer')
    .option('--dry-run', 'print the plan; run nothing', false)
    .option('--from <version>', 'only migrations above this version', parseVersion)
    .option('--to <version>', "only migrations up to this version (default: the checkout's)", parseVersion)
    .addHelpText(
      'after',
      `
Examples:
  telec-migrate --dry-run                 what is pending
  telec-migrate                           run it
  telec-migrate --from 1.1.0 --to 1.2.0   only what came with versions above 1.1.0, up to 1.2.0`,
    )
    .action(async ({ dryRun, from, to }: Options) => {
      const paths = locate(world)
      const config = loadConfig(world, paths)
      const repository = locateRepository(world, config.deployment.checkout)
      const unlock = dryRun ? () => undefined : acquireLock(world, paths.lock)
      try {
        const head = await headTarget(world, repository, config.deployment)
        const deployed = readUpdateState(paths)?.deployed ?? head
        const versions = { from: from ?? deployed.version, to: to ?? head.version }
        const plan = planMigrations(config, paths, {
          from: from ?? null,
          to: versions.to,
          baseline: deployed.version,
        })
        if (plan.pending.length === 0) return world.out('nothing to migrate\n')
        world.out(`${plan.pending.length} pending:\n${plan.pending.map(({ id }) => `  ${id}\n`).join('')}`)
        if (dryRun) return
        const { run, satisfied } = await runPlan(world, config, paths, plan, versions)
        world.out(`${run} run, ${satisfied} satisfied already\n`)
      } finally {
        unlock()
      }
    })

function parseVersion(text: string): string {
  const version = normalVersion(text)
  if (version !== null) return version
  throw new InvalidArgumentError('It takes a version such as 1.2.0.')
}
