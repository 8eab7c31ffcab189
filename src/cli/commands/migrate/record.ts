import { Command } from 'commander'
import { locate } from '../../../config/services.ts'
import { askForDrift, migrationRows, showRows } from '../../../migrate/overview.ts'
import { hashOf, surroundingsOf } from '../../../migrate/run.ts'
import { writeMigrationRecord } from '../../../state/migrations.ts'
import { EXIT, shellWord, TelecError } from '../../../system/errors.ts'
import { acquireLock } from '../../../system/lock.ts'
import { VERSION } from '../../../system/version.ts'
import { isoTime } from '../../../system/world.ts'
import { JSON_OPTION } from '../../command-line.ts'
import type { DefineCommand } from '../../main.ts'
import { planByHand, worktreeOption } from './plan.ts'

// The record of the applied migrations.

export const statusCommand: DefineCommand = (world, exitWith) =>
  new Command('status')
    .description('list all migrations with their state, time and duration')
    .option('--check', 'compare with each check(); exit 1 if they differ', false)
    .addOption(worktreeOption())
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExamples:\n  telec-migrate status\n  telec-migrate status --check')
    .action(async ({ check, json, worktree }: Record<'check' | 'json' | 'worktree', boolean>) => {
      const { service, plan, deployed } = await planByHand(world, { worktree })
      let rows = migrationRows(plan)
      if (check) {
        const surroundings = await surroundingsOf(service, { from: deployed, to: deployed })
        rows = await askForDrift(rows, plan, surroundings)
      }
      world.out(json ? rows : showRows(rows))
      if (rows.some(({ drift }) => drift !== null)) exitWith(EXIT.halted)
    })

type Options = Record<'applied' | 'pending' | 'yes' | 'json', boolean>

export const markCommand: DefineCommand = (world) =>
  new Command('mark')
    .description('change the record of a migration by hand')
    .argument('<id>', 'VERSION/FILE, as in telec-migrate status')
    .option('--applied', 'record it as applied; do not run it', false)
    .option('--pending', 'record it as pending: the next run runs it', false)
    .option('--yes', 'confirm the change', false)
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  telec-migrate mark 1.2.0/001_split_config.ts --applied --yes')
    .action(async (id: string, { applied, pending, yes, json }: Options) => {
      if (applied === pending)
        throw new TelecError('usage', 'mark takes one of --applied and --pending', {
          hint: `give one: telec-migrate mark ${shellWord(id)} --applied --yes`,
        })
      if (!yes)
        throw new TelecError('usage', `telec-migrate mark changes the record without running ${id}`, {
          hint: `confirm it: telec-migrate mark ${shellWord(id)} ${applied ? '--applied' : '--pending'} --yes`,
        })
      acquireLock(world, locate(world).lock) // until this program ends
      const { service, plan } = await planByHand(world, {})
      const migration = plan.migrations.find((one) => one.id === id)
      if (!migration && !plan.record.applied.has(id))
        throw new TelecError('usage', `there is no migration ${id}`, {
          hint: 'list them: telec-migrate status',
        })
      const known = new Map(plan.record.applied)
      const sha256 = migration ? hashOf(migration) : null
      if (applied) known.set(id, { at: isoTime(world), ms: null, how: 'marked', telec: VERSION, sha256 })
      else known.delete(id)
      await writeMigrationRecord(service.paths, { ...plan.record, applied: known })
      const state = applied ? 'applied' : 'pending'
      world.out(json ? { id, state } : `${id} is recorded as ${state}\n`)
    })
