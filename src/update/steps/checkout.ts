import { headId } from '../../git/checkout.ts'
import { moveTo, undoMove } from '../../git/move.ts'
import { createTag } from '../../git/refs.ts'
import {
  ended,
  failed,
  type UpdateState,
  wasInterrupted,
  writeUpdateState,
} from '../../state/update-state.ts'
import { isoTime } from '../../system/world.ts'
import type { UpdateContext } from '../context.ts'
import type { StepContext } from '../step.ts'
import { submodulesFor } from './submodules.ts'

/** Moves the checkout to the target. */
export async function checkout(context: StepContext): Promise<string> {
  const { config, repository, update, interrupted } = context
  const { channel, from, target, permits } = update
  await context.writeDown()
  const head = await headId(repository)
  const way = { from: head === target.commit ? from.commit : head, to: target.commit }
  const { putAside } = context
  const how = { interrupted, mayStash: interrupted || permits.includes('stash') } // what is half-way is not halted at
  const submodules = submodulesFor(context, way, how, 'remote', putAside)
  if (head !== target.commit) await submodules.clearWay()
  let followed = ''
  await moveTo(repository, {
    branch: channel === 'alpha' ? config.deployment.branch : null,
    commit: target.commit,
    interrupted,
    async updateSubmodules() {
      followed = await submodules.follow()
    },
    report: putAside,
  })
  await createTag(repository, target.ref, permits.includes('rewrite'))
  return `HEAD is ${target.commit.slice(0, 12)}${target.version ? ` (${target.version})` : ''}${followed}`
}

/** Takes a checkout back that was stopped on its way to another target: half of it would look like local changes. */
export async function settle(
  context: UpdateContext,
  state: UpdateState,
  commit: string,
): Promise<UpdateState> {
  const { repository, paths, world } = context
  const { update } = state
  if (!update || update.target.commit === commit || !wasInterrupted(update, 'checkout')) return state
  const head = await headId(repository)
  const putAside = [...update.put_aside]
  const tell = async (what: string) => {
    world.log.notice(`put aside: ${what}`)
    putAside.push(what)
    await writeUpdateState(paths, { ...state, update: { ...update, put_aside: putAside } })
  }
  const isThere = head === update.target.commit // HEAD moves last
  if (!isThere) {
    const way = { from: update.target.commit, to: head }
    const how = { interrupted: true, mayStash: true }
    const submodules = submodulesFor(context, way, how, 'local', tell)
    await submodules.clearWay()
    await undoMove(repository, {
      commit: update.target.commit,
      updateSubmodules: submodules.follow,
      report: tell,
    })
  }
  const journal = isThere
    ? ended(update, 'checkout', isoTime(world), 'completed for another target')
    : failed(update, 'checkout')
  const settled = { ...state, update: { ...journal, put_aside: putAside } }
  await writeUpdateState(paths, settled)
  return settled
}
