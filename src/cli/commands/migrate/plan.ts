import { Command, Option } from 'commander'
import { normalVersion } from '../../../channel/versions.ts'
import { openService, type Service } from '../../../config/service.ts'
import { headId } from '../../../git/checkout.ts'
import { locateRepository } from '../../../git/repository.ts'
import { headTarget } from '../../../git/target.ts'
import { type Answer, askChecks, migrationRows } from '../../../migrate/overview.ts'
import { type MigrationPlan, type Planned, planMigrations, verifyAsCommitted } from '../../../migrate/plan.ts'
import { surroundingsOf } from '../../../migrate/run.ts'
import { readUpdateState } from '../../../state/update-state.ts'
import { EXIT } from '../../../system/errors.ts'
import type { World } from '../../../system/world.ts'
import { JSON_OPTION, parser } from '../../command-line.ts'
import type { DefineCommand } from '../../main.ts'

export interface Wanted {
  readonly from?: string
  readonly to?: string
  readonly worktree?: boolean
}

export const parseVersion = parser('a version such as 1.2.0', normalVersion)

/** The options of a `Wanted`. */
export const addWanted = (command: Command) =>
  command
    .addOption(new Option('--from <version>', 'only migrations above this version').argParser(parseVersion))
    .addOption(new Option('--to <version>', 'only migrations up to this version').argParser(parseVersion))
    .addOption(worktreeOption())

export const worktreeOption = () =>
  new Option('--worktree', 'the files of the work tree, not of HEAD').default(false)

/** Plans a run from the deployed to the newest version, or as the flags say. Does not ask the remote. */
export async function planByHand(world: World, { from, to, worktree = false }: Wanted) {
  const service = await openService(world)
  const repository = () => locateRepository(world, service.config.deployment.checkout)
  const deployed = await deployedVersion(service)
  const bounds = { deployed, from: from ?? null, to: to ?? null }
  const head = async () => [repository(), await headId(repository())] as const
  const plan = await planMigrations(service, bounds, worktree ? 'worktree' : head)
  const versions = { from: from ?? deployed, to: to ?? plan.migrations.at(-1)?.version ?? null }
  return { service, plan, deployed, versions }
}

/** Without a record, the version of the checkout. */
async function deployedVersion({ world, config, paths }: Service): Promise<string | null> {
  const state = readUpdateState(paths)
  if (state) return state.deployed.version
  const repository = locateRepository(world, config.deployment.checkout)
  return (await headTarget(repository, config.deployment)).version
}

interface Options extends Wanted {
  readonly check: boolean
  readonly json: boolean
}

export const planCommand: DefineCommand = (world, exitWith) =>
  addWanted(
    new Command('plan')
      .description('list the pending migrations')
      .option('--check', 'ask each check(); exit 1 if one fails', false),
  )
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  telec-migrate plan --check')
    .action(async ({ check, json, ...wanted }: Options) => {
      const { service, plan, versions } = await planByHand(world, wanted)
      if (check) await verifyAsCommitted(service, plan)
      const answers = check ? await askChecks(plan.pending, await surroundingsOf(service, versions)) : []
      world.out(json ? { ...planAsData(plan), ...(check ? { answers } : {}) } : planAsText(plan, answers))
      if (answers.some(({ says }) => says === 'failed')) exitWith(EXIT.halted)
    })

export function planAsData(plan: MigrationPlan) {
  return { pending: plan.pending.map(({ id, late }) => ({ id, late })), ...differing(plan) }
}

export const ANSWERS = {
  true: 'check() is true: nothing to do',
  false: 'has to run',
  failed: 'check() failed',
} as const

export function planAsText(plan: MigrationPlan, answers: readonly Answer[] = []): string {
  const { changed, gone } = differing(plan)
  const title = plan.pending.length === 0 ? 'nothing to migrate\n' : `${plan.pending.length} pending:\n`
  const lines = plan.pending.map((one) => {
    const answer = answers.find(({ id }) => id === one.id)
    const error = answer?.error?.split('\n').map((line) => `    ${line}\n`) ?? []
    return [`  ${one.id}${remarkOn(one)}${answer ? `  ${ANSWERS[answer.says]}` : ''}\n`, ...error].join('')
  })
  return [
    title,
    ...lines,
    ...plan.unknown.map((path) => `${path} is not in the commit, and is not run\n`),
    ...changed.map((id) => `${id} has changed since it was applied here; it is not run again\n`),
    ...gone.map((id) => `${id} was applied here, and is no longer in the checkout\n`),
  ].join('')
}

function remarkOn({ late, again }: Planned): string {
  if (again) return '  (recorded before the computer went down: asked again)'
  return late ? '  (late: this computer runs that version already)' : ''
}

/** Applied migrations whose script changed or disappeared: no reason to halt. */
function differing(plan: MigrationPlan): { changed: string[]; gone: string[] } {
  const rows = plan.record.applied.size === 0 ? [] : migrationRows(plan)
  return {
    changed: rows.filter(({ changed }) => changed).map(({ id }) => id),
    gone: rows.filter(({ state }) => state === 'gone').map(({ id }) => id),
  }
}
