import { nameTag } from '../../git/checkout.ts'
import { moveTo, type PutAside } from '../../git/move.ts'
import {
  ended,
  type Update,
  type UpdateState,
  wasInterrupted,
  writeUpdateState,
} from '../../state/update-state.ts'
import { isoTime } from '../../system/world.ts'
import type { UpdateContext } from '../context.ts'
import type { StepContext } from '../step.ts'
import { submodulesFor } from './submodules.ts'
import { putAside } from './verify.ts'

/** Moves the checkout to the target. */
export async function checkout(context: StepContext): Promise<string> {
  const { repository, update, interrupted } = context
  const { target } = update
  await context.writeDown()
  const submodules = submodulesFor(context, update, interrupted, 'remote')
  await submodules.clearWay()
  let followed = ''
  const aside = await move(context, update, interrupted, async () => {
    followed = await submodules.follow()
  })
  await nameTag(repository, target.ref, update.permits.includes('rewrite'))
  const rescued = aside ? `; ${putAside(repository, aside.paths, aside.ref)}` : ''
  return `HEAD is ${target.commit.slice(0, 12)}${target.version ? ` (${target.version})` : ''}${followed}${rescued}`
}

async function move(
  { config, repository }: UpdateContext,
  update: Update,
  interrupted: boolean,
  bringMore: () => Promise<unknown>,
): Promise<PutAside | null> {
  const branch = update.channel === 'alpha' ? config.deployment.branch : null
  return moveTo(repository, { branch, commit: update.target.commit, interrupted, bringMore })
}

/** Completes a checkout that was killed on its way to another target: half of it would look like local changes. */
export async function settle(
  context: UpdateContext,
  state: UpdateState,
  commit: string,
): Promise<UpdateState> {
  const { update } = state
  if (!update || update.target.commit === commit || !wasInterrupted(update, 'checkout')) return state
  const submodules = submodulesFor(context, update, true, 'local')
  await submodules.clearWay()
  const aside = await move(context, update, true, submodules.follow)
  if (aside) context.world.log.notice(putAside(context.repository, aside.paths, aside.ref))
  const at = isoTime(context.world)
  const settled = { ...state, update: ended(update, 'checkout', at, 'completed for another target') }
  await writeUpdateState(context.paths, settled)
  return settled
}
