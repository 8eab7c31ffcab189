import { Command } from 'commander'
import { locate } from '../../../config/services.ts'
import { askForDrift, migrationRows, showRows } from '../../../migrate/overview.ts'
import { hashOf, surroundingsOf } from '../../../migrate/run.ts'
import { writeMigrationRecord } from '../../../state/migrations.ts'
import { EXIT, TelecError } from '../../../system/errors.ts'
import { acquireLock } from '../../../system/lock.ts'
import { VERSION } from '../../../system/version.ts'
import { isoTime } from '../../../system/world.ts'
import type { DefineCommand } from '../../main.ts'
import { planByHand, worktreeOption } from './by-hand.ts'

// The record of what was applied here: to look at, and to correct.

export const statusCommand: DefineCommand = (world, leave) =>
  new Command('status')
    .description('every migration: applied, pending, late, gone or changed, when and how long')
    .option(
      '--check',
      "ask each script's check() whether the record still holds; exit 1 where it does not",
      false,
    )
    .addOption(worktreeOption())
    .option('--json', 'as JSON, for programs', false)
    .addHelpText('after', '\nExamples:\n  telec-migrate status\n  telec-migrate status --check')
    .action(async ({ check, json, worktree }: Record<'check' | 'json' | 'worktree', boolean>) => {
      const { service, plan, deployed } = await planByHand(world, { worktree })
      let rows = migrationRows(plan)
      if (check) {
        const surroundings = await surroundingsOf(service, { from: deployed, to: deployed })
        rows = await askForDrift(world, rows, plan, surroundings)
      }
      world.out(json ? rows : showRows(rows))
      if (rows.some(({ drift }) => drift !== null)) leave(EXIT.halted)
    })

type Options = Record<'applied' | 'pending' | 'yes' | 'json', boolean>

export const markCommand: DefineCommand = (world) =>
  new Command('mark')
    .description('change the record by hand: say that a migration was applied, or was not')
    .argument('<id>', 'VERSION/FILE, as status lists it')
    .option('--applied', 'record it as applied, without running it', false)
    .option('--pending', 'forget that it was applied: the next run takes it up again', false)
    .option('--yes', 'yes, I know what this computer is like', false)
    .option('--json', 'as JSON, for programs', false)
    .addHelpText('after', '\nExample:\n  telec-migrate mark 1.2.0/001_split_config.ts --applied --yes')
    .action(async (id: string, { applied, pending, yes, json }: Options) => {
      if (applied === pending)
        throw new TelecError('usage', 'mark takes one of --applied and --pending', {
          hint: `telec-migrate mark ${id} --applied --yes`,
        })
      if (!yes)
        throw new TelecError('usage', `this changes what telec believes about this computer`, {
          hint: `to do it: telec-migrate mark ${id} ${applied ? '--applied' : '--pending'} --yes`,
        })
      acquireLock(world, locate(world).lock) // until this program ends
      const { service, plan } = await planByHand(world, {})
      const migration = plan.migrations.find((one) => one.id === id)
      if (!migration && !plan.record.applied.has(id))
        throw new TelecError('usage', `there is no migration ${id}`, {
          hint: 'telec-migrate status lists them',
        })
      const known = new Map(plan.record.applied)
      const sha256 = migration ? hashOf(migration) : null
      if (applied) known.set(id, { at: isoTime(world), ms: null, how: 'marked', telec: VERSION, sha256 })
      else known.delete(id)
      await writeMigrationRecord(service.paths, { ...plan.record, applied: known })
      const state = applied ? 'applied' : 'pending'
      world.out(json ? { id, state } : `${id} is recorded as ${state}\n`)
    })
