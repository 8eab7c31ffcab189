import { ruleOf } from '../channel/choices.ts'
import { nameOf, type Target } from '../channel/target.ts'
import type { Config } from '../config/schema.ts'
import { readChoices } from '../state/choices.ts'
import { readSignal, removeSignal, type Signal, writeSignal } from '../state/signal.ts'
import { isRolledBack, type Update, type UpdateState, writeUpdateState } from '../state/update-state.ts'
import type { UpdateContext } from './context.ts'

const BACK = 'was rolled back from; to take it again: telec-update --retry'

/** What the signal asks for; one that a person rolled back from, or wants none of, is not to be signalled. */
export async function signalled(
  { world, config, paths }: UpdateContext,
  state: UpdateState,
): Promise<Target | null> {
  const target = wanted(config, readSignal(paths))
  if (target === null) return null
  const choices = readChoices(paths)
  const isPinned = choices.pin?.commit === target.commit
  const back = !isPinned && isRolledBack(state, target) ? BACK : null
  const rule = ruleOf(choices, target) ?? back
  if (rule === null) return target
  await removeSignal(paths, target.commit)
  world.log.notice(`not taken: ${nameOf(target)} ${rule}`)
  return null
}

/** What a person rolled back from, and wants all the same, is signalled again. */
export async function releaseRolledBack(context: UpdateContext, state: UpdateState): Promise<void> {
  const { paths } = context
  const target = state.rolled_back?.targets.at(-1)
  if (!target || state.update) return
  if (readSignal(paths) === null) await writeSignal(context, state.deployed, target, 'telec-update --retry')
  await writeUpdateState(paths, { ...state, rolled_back: null })
}

/** What a signal or a journal asks for; nothing if this computer follows another channel by now. */
export function wanted({ deployment }: Config, request: Signal | Update | null): Target | null {
  return request?.channel === deployment.channel ? request.target : null
}
