import { headId } from '../../git/checkout.ts'
import { moveTo, undoMove } from '../../git/move.ts'
import { createTag } from '../../git/refs.ts'
import { clearWay } from '../../git/submodules/clear.ts'
import { hasSubmodules, type SubmoduleUpdate, submodulesOf } from '../../git/submodules/submodule.ts'
import { updateSubmodules } from '../../git/submodules/update.ts'
import {
  ended,
  failed,
  type UpdateState,
  wasInterrupted,
  writeUpdateState,
} from '../../state/update-state.ts'
import { isoTime } from '../../system/world.ts'
import type { StepContext, UpdateContext } from '../context.ts'

/** Moves the checkout to the target. */
export async function checkout(context: StepContext): Promise<string> {
  const { config, repository, update, interrupted } = context
  const { channel, from, target, permits } = update
  await context.writeDown()
  const head = await headId(repository)
  const report = context.recordStash
  const submodules = submodulesFor(context, head === target.commit ? from.commit : head, {
    target: target.commit,
    remote: config.deployment.remote,
    interrupted,
    mayStash: interrupted || permits.includes('stash'), // a move that began has to end
    report,
  })
  if (head !== target.commit) await submodules.clearWay()
  let followed = ''
  await moveTo(repository, {
    branch: channel === 'alpha' ? config.deployment.branch : null,
    commit: target.commit,
    interrupted,
    async updateSubmodules() {
      followed = await submodules.follow()
    },
    report,
  })
  await createTag(repository, target.ref, permits.includes('rewrite'))
  return `HEAD is ${target.commit.slice(0, 12)}${target.version ? ` (${target.version})` : ''}${followed}`
}

/** Takes back a checkout that was killed on its way to another target: half of it would look like local changes. */
export async function takeBackCheckout(
  context: UpdateContext,
  state: UpdateState,
  commit: string,
): Promise<UpdateState> {
  const { repository, paths, world } = context
  const { update } = state
  if (!update || update.target.commit === commit || !wasInterrupted(update, 'checkout')) return state
  const head = await headId(repository)
  const stashed = [...update.put_aside]
  const report = async (what: string) => {
    world.log.notice(`stashed: ${what}`)
    stashed.push(what)
    await writeUpdateState(paths, { ...state, update: { ...update, put_aside: stashed } })
  }
  const hasArrived = head === update.target.commit // HEAD moves last
  if (!hasArrived) {
    const from = update.target.commit
    const how = { target: head, remote: null, interrupted: true, mayStash: true, report }
    const submodules = submodulesFor(context, from, how)
    await submodules.clearWay()
    await undoMove(repository, { commit: from, updateSubmodules: submodules.follow, report })
  }
  const journal = hasArrived
    ? ended(update, 'checkout', isoTime(world), 'completed for another target')
    : failed(update, 'checkout')
  const settled = { ...state, update: { ...journal, put_aside: stashed } }
  await writeUpdateState(paths, settled)
  return settled
}

/** What the checkout does about submodules before it moves, and after. */
function submodulesFor(
  { config, repository }: UpdateContext,
  from: string,
  how: Omit<SubmoduleUpdate, 'checkout'>,
) {
  const areFollowed = config.deployment.submodules
  const move: SubmoduleUpdate = { ...how, checkout: repository }
  return {
    async clearWay() {
      if (areFollowed) await clearWay(move, from)
    },
    /** @returns what came of it, for the step's note. */
    async follow() {
      if (!areFollowed) return hasSubmodules(repository) ? '; skipped submodules (deployment.submodules)' : ''
      const before = how.interrupted ? await submodulesOf(repository, from) : null
      if (!hasSubmodules(repository)) return ''
      await updateSubmodules(move, repository, how.target, before)
      return ', with its submodules'
    },
  }
}
