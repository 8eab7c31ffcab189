import { Command } from 'commander'
import { checkoutOwner } from '../../../git/owner.ts'
import { askForDrift, migrationRows, showRows } from '../../../migrate/overview.ts'
import { migrationCaller } from '../../../migrate/run.ts'
import { EXIT } from '../../../system/errors.ts'
import type { DefineCommand } from '../../main.ts'
import { planByHand } from './by-hand.ts'

export const statusCommand: DefineCommand = (world, leave) =>
  new Command('status')
    .description('every migration: applied, pending, late, gone or changed, when and how long')
    .option(
      '--check',
      "ask each script's check() whether the record still holds; exit 1 where it does not",
      false,
    )
    .option('--json', 'as JSON, for programs', false)
    .addHelpText('after', '\nExamples:\n  telec-migrate status\n  telec-migrate status --check')
    .action(async ({ check, json }: { check: boolean; json: boolean }) => {
      const { service, plan, deployed } = await planByHand(world, {})
      let rows = migrationRows(plan)
      if (check) {
        const { checkout } = service.config.deployment
        const owner = checkoutOwner(world, checkout)
        const { home } = service.paths
        const caller = migrationCaller(world, { home, checkout, owner, from: deployed, to: deployed })
        try {
          rows = await askForDrift(rows, plan, caller)
        } finally {
          await caller.close()
        }
      }
      world.out(json ? rows : showRows(rows))
      if (rows.some(({ drift }) => drift !== null)) leave(EXIT.halted)
    })
