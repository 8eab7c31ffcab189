import { ruleOf } from '../channel/choices.ts'
import { nameOf, type Target } from '../channel/target.ts'
import type { Service } from '../config/service.ts'
import { readChoices } from '../state/choices.ts'
import { readPause } from '../state/pause.ts'
import { readSignal, removeSignal, writeSignal } from '../state/signal.ts'
import {
  isRolledBack,
  isUnderWay,
  rollbackUnderWay,
  type UpdateState,
  writeUpdateState,
} from '../state/update-state.ts'
import { TelecError } from '../system/errors.ts'
import { localTime } from '../system/local-time.ts'
import type { UpdateContext } from './context.ts'

/** The target of a rollback, else of the signal, else of an update under way. A pause holds all but a rollback. */
export async function nextTarget(context: UpdateContext, state: UpdateState): Promise<Target | null> {
  const rollback = rollbackUnderWay(state)
  if (rollback) return rollback.target
  verifyNotPaused(context)
  const { update } = state
  // Also of another channel: the checkout has moved.
  const underWay = update && isUnderWay(update) ? update.target : null
  return (await signalled(context, state)) ?? underWay
}

/** Signals again the version that was rolled back last. */
export async function releaseRolledBack(context: UpdateContext, state: UpdateState): Promise<void> {
  const { paths } = context
  const target = state.rolled_back?.targets.at(-1)
  if (!target || state.update) return
  if (readSignal(paths) === null) await writeSignal(context, state.deployed, target, 'telec-update --retry')
  // A pin or a hold keeps this update from it, and not the next one.
  if (ruleOf(readChoices(paths), target) === null)
    await writeUpdateState(paths, { ...state, rolled_back: null })
}

function verifyNotPaused({ world, paths }: Service): void {
  const pause = readPause(paths, world.now())
  if (pause === null) return
  throw new TelecError('later', `updates are paused since ${localTime(pause.since)}`, {
    because: pause.until === null ? 'the pause has no end' : `until ${localTime(pause.until)}`,
    hint: 'end the pause: telec resume',
  })
}

/** The signalled target. Removes the signal where that target is held, or was rolled back. */
async function signalled(
  { world, config, paths }: UpdateContext,
  state: UpdateState,
): Promise<Target | null> {
  const signal = readSignal(paths)
  if (signal?.channel !== config.deployment.channel) return null
  const { target } = signal
  const choices = readChoices(paths)
  const isBack = choices.pin?.commit !== target.commit && isRolledBack(state, target)
  const back = `was rolled back${state.update?.rollback ? '' : ': telec-update --retry takes it'}`
  const rule = ruleOf(choices, target) ?? (isBack ? back : null)
  if (rule === null) return target
  await removeSignal(paths, target.commit)
  world.log.notice(`skipped: ${nameOf(target)} ${rule}`)
  return null
}
