import { Command } from 'commander'
import { type Answer, askChecks, migrationRows } from '../../../migrate/overview.ts'
import { type MigrationPlan, type Planned, verifyAsCommitted } from '../../../migrate/plan.ts'
import { surroundingsOf } from '../../../migrate/run.ts'
import { EXIT } from '../../../system/errors.ts'
import type { DefineCommand } from '../../main.ts'
import { fromOption, planByHand, toOption, type Wanted, worktreeOption } from './by-hand.ts'

// What a run would do: nothing is run for it.

interface Options extends Wanted {
  readonly check: boolean
  readonly json: boolean
}

export const planCommand: DefineCommand = (world, leave) =>
  new Command('plan')
    .description('what is pending on this computer')
    .option('--check', 'ask each check() whether it has to run; exit 1 where one fails', false)
    .addOption(fromOption())
    .addOption(toOption())
    .addOption(worktreeOption())
    .option('--json', 'as JSON, for programs', false)
    .addHelpText('after', '\nExample:\n  telec-migrate plan --check')
    .action(async ({ check, json, ...wanted }: Options) => {
      const { service, plan, deployed } = await planByHand(world, wanted)
      if (check) await verifyAsCommitted(service, plan)
      const to = wanted.to ?? plan.migrations.at(-1)?.version ?? null
      const answers = check
        ? await askChecks(
            world,
            plan.pending,
            await surroundingsOf(service, { from: wanted.from ?? deployed, to }),
          )
        : []
      world.out(json ? { ...planAsData(plan), ...(check ? { answers } : {}) } : showPlan(plan, answers))
      if (answers.some(({ says }) => says === 'failed')) leave(EXIT.halted)
    })

export function planAsData(plan: MigrationPlan) {
  return { pending: plan.pending.map(({ id, late }) => ({ id, late })), ...remarkable(plan) }
}

export const SAID = {
  true: 'check() is true: nothing to do',
  false: 'has to run',
  failed: 'check() failed',
} as const

/** The plan for people, with what `check()` says where it was asked. */
export function showPlan(plan: MigrationPlan, answers: readonly Answer[] = []): string {
  const { changed, gone } = remarkable(plan)
  const remarks = [
    ...plan.unknown.map((path) => `${path} is not in the commit, and is not run\n`),
    ...changed.map((id) => `${id} has changed since it was applied here; it is not run again\n`),
    ...gone.map((id) => `${id} was applied here, and is no longer in the checkout\n`),
  ]
  const title = plan.pending.length === 0 ? 'nothing to migrate\n' : `${plan.pending.length} pending:\n`
  const lines = plan.pending.map((one) => {
    const answer = answers.find(({ id }) => id === one.id)
    const error = answer?.error?.split('\n').map((line) => `    ${line}\n`) ?? []
    return [`  ${one.id}${remarkOn(one)}${answer ? `  ${SAID[answer.says]}` : ''}\n`, ...error].join('')
  })
  return [title, ...lines, ...remarks].join('')
}

function remarkOn({ late, again }: Planned): string {
  if (again) return '  (recorded before the computer went down: asked again)'
  return late ? '  (late: this computer runs that version already)' : ''
}

/** Applied scripts that are not what they were: worth a remark, and no reason to halt. */
function remarkable(plan: MigrationPlan): { changed: string[]; gone: string[] } {
  const rows = plan.record.applied.size === 0 ? [] : migrationRows(plan)
  return {
    changed: rows.filter(({ changed }) => changed).map(({ id }) => id),
    gone: rows.filter(({ state }) => state === 'gone').map(({ id }) => id),
  }
}
