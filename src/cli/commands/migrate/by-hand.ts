import { Option } from 'commander'
import { normalVersion } from '../../../channel/versions.ts'
import { openService, type Service } from '../../../config/service.ts'
import { headId } from '../../../git/checkout.ts'
import { locateRepository, type Repository } from '../../../git/repository.ts'
import { headTarget } from '../../../git/target.ts'
import { planMigrations } from '../../../migrate/plan.ts'
import { readUpdateState } from '../../../state/update-state.ts'
import type { World } from '../../../system/world.ts'
import { parser } from '../../command-line.ts'

export interface Wanted {
  readonly from?: string
  readonly to?: string
  /** As the work tree has them, not HEAD. */
  readonly worktree?: boolean
}

/** The plan of a run by hand: from what is deployed to the newest there is, or as the flags say. Asks no network. */
export async function planByHand(world: World, { from, to, worktree = false }: Wanted) {
  const service = await openService(world)
  const deployed = await deployedVersion(service)
  const bounds = { deployed, from: from ?? null, to: to ?? null }
  const plan = await planMigrations(service, bounds, worktree ? 'worktree' : () => headOf(service))
  return { service, plan, deployed }
}

/** For those who write migrations. */
export const worktreeOption = () =>
  new Option('--worktree', 'the files as they are, not those of HEAD').default(false)

async function headOf({ world, config }: Service): Promise<readonly [Repository, string]> {
  const repository = locateRepository(world, config.deployment.checkout)
  return [repository, await headId(repository)]
}

export const fromOption = () =>
  new Option('--from <version>', 'only migrations above this version').argParser(parseVersion)

export const toOption = () =>
  new Option('--to <version>', 'only migrations up to this version (default: the newest there is)').argParser(
    parseVersion,
  )

/** What is recorded as deployed; on a computer that has no record yet, what its checkout is at. */
async function deployedVersion({ world, config, paths }: Service): Promise<string | null> {
  const state = readUpdateState(paths)
  if (state) return state.deployed.version
  const repository = locateRepository(world, config.deployment.checkout)
  return (await headTarget(repository, config.deployment)).version
}

/** A version as a flag takes it. */
export const parseVersion = parser('a version such as 1.2.0', normalVersion)
