import { distinct, isCalled, parseName, ruleOf, shortName } from '../channel/choices.ts'
import { nameOf, type Target } from '../channel/target.ts'
import { findService } from '../service/find.ts'
import { readChoices } from '../state/choices.ts'
import { type MigrationRecord, readMigrationRecord, recordedSince } from '../state/migrations.ts'
import { readSignal, type Signal, writeSignal } from '../state/signal.ts'
import {
  asTarget,
  type Deployment,
  hasMoved,
  lastChanged,
  lastCheckout,
  lastRestart,
  type Permit,
  startUpdate,
  type Update,
  type UpdateState,
  writeUpdateState,
} from '../state/update-state.ts'
import { TelecError } from '../system/errors.ts'
import { isoTime } from '../system/world.ts'
import type { UpdateContext } from './context.ts'
import { settle } from './steps/checkout.ts'
import { fetch } from './steps/fetch.ts'
import { preflight } from './steps/preflight.ts'
import { verify, verifyTarget } from './steps/verify.ts'

export interface RollbackOptions {
  /** Also where migrations ran since. */
  readonly force: boolean
  /** Which of those that were deployed, by version or commit; null: the one before. */
  readonly to: string | null
}

/** A way back. */
export interface RollbackPlan {
  readonly from: Target
  readonly target: Target
  /** What was recorded as applied since the target was deployed; it is not undone. */
  readonly migrations: readonly string[]
}

/**
 * Goes back from an update that halted half-way to what is deployed, else to what was deployed before, or to `to`. Pure.
 *
 * @param never what a person holds: it is gone back to where it is named, and not by itself.
 */
export function planRollback(
  state: UpdateState,
  record: MigrationRecord,
  to: string | null = null,
  never: readonly Target[] = [],
): RollbackPlan {
  const { update, halted, deployed } = state
  const asked = to === null ? null : namedDeployment(state, to)
  if (update?.rollback && (asked ?? update.target).commit === update.target.commit)
    return { from: update.from, target: update.target, migrations: update.rollback.migrations }
  const isHalfWay = update !== null && hasMoved(update)
  if (isHalfWay && halted === null)
    throw new TelecError('later', `an update to ${nameOf(update.target)} is under way`, {
      because: 'it has begun to change the checkout, and did not come to its end',
      hint: 'have it go on: telec-update; after that, or where it halts: telec-update rollback',
    })
  if (asked?.commit === deployed.commit && !isHalfWay)
    throw new TelecError(
      'halted',
      `${nameOf(deployed)} is what is deployed: there is nothing to go back from`,
      {
        hint: `to stay there: telec pin ${shortName(deployed)}`,
      },
    )
  const isFree = (one: Target) => ruleOf({ pin: null, held: never }, one) === null
  const target = asked ?? (isHalfWay ? deployed : state.previous.findLast(isFree))
  if (!target && state.previous.length > 0)
    throw new TelecError('halted', `a person holds all that was deployed before ${nameOf(deployed)}`, {
      because: state.previous.map(nameOf).join('\n'),
      hint: 'to go back to one of them all the same: telec rollback --to',
    })
  if (!target)
    throw new TelecError('halted', `there is no deployment before ${nameOf(deployed)} to go back to`, {
      because: 'telec goes back to what it deployed or adopted itself',
      hint: 'push a commit that reverts what is wrong: git revert',
    })
  return {
    from: asTarget(isHalfWay ? update.target : deployed),
    target: asTarget(target),
    migrations: recordedSince(record, target.last_migration ?? null),
  }
}

/** The one that a person names of those that were deployed here; they are found by commit, too, where versions are alike. */
function namedDeployment({ previous, deployed }: UpdateState, text: string): Deployment {
  const name = parseName(text)
  const all = distinct([deployed, ...previous.toReversed()])
  const found = all.filter((one) => isCalled(one, name))
  const [only, ...others] = found
  if (only && others.length === 0) return only
  const [what, among] = only
    ? [`${found.length} that were deployed are called ${text}`, found]
    : [`${text} is none of the ${all.length} that were deployed here last`, all]
  throw new TelecError(only ? 'usage' : 'halted', what, {
    because: among.map(nameOf).join('\n'),
    hint: only ? 'say which one, by its commit' : 'telec goes back to what it deployed or adopted itself',
  })
}

/** Throws where migrations ran that the target knows nothing of, unless a person says that it can do with them. */
export function verifyMigrations({ target, migrations }: RollbackPlan, { force, to }: RollbackOptions): void {
  if (force || migrations.length === 0) return
  const what = `${migrations.length} migration(s) ran since ${nameOf(target)} was deployed`
  throw new TelecError('halted', `${what}; a rollback does not undo them`, {
    because: migrations.join('\n'),
    hint: `if ${nameOf(target)} can do with what they did: telec-update rollback ${to === null ? '' : `--to ${to} `}--force`,
  })
}

/** Writes a rollback into the journal, after all checks that can refuse it. For the holder of telec's lock. */
export async function beginRollback(
  context: UpdateContext,
  state: UpdateState,
  permits: readonly Permit[],
  options: RollbackOptions,
): Promise<void> {
  const { world, config, paths } = context
  // Choices that cannot be understood refuse it here: at its end the pin is moved along.
  const plan = planRollback(state, readMigrationRecord(paths), options.to, readChoices(paths).held)
  verifyMigrations(plan, options)
  const settled = await settle(context, state, plan.target.commit)
  const pending = readSignal(paths)
  const isGoneOnWith = settled.update?.rollback && settled.update.target.commit === plan.target.commit
  const update =
    isGoneOnWith && settled.update
      ? settled.update
      : rollbackOf(settled, plan, pending, config.deployment.channel, permits, isoTime(world))
  const supervised = findService(context)
  const nothing = async () => undefined
  const dry = { interrupted: false, remember: () => undefined, writeDown: nothing, putAside: nothing }
  const stepContext = { ...context, ...dry, supervised, update }
  // What is put aside is put aside by the step itself, whose note says where.
  const verifying = permits.includes('stash') ? verifyTarget : verify
  for (const look of [preflight, fetch, verifying]) await look(stepContext)
  await writeUpdateState(paths, { ...settled, update, halted: null })
  // As every update is: whoever watches the path goes on with it where this program does not come to its end.
  await writeSignal(context, plan.from, plan.target, 'telec-update rollback')
  world.log.notice(`rolling back from ${nameOf(plan.from)} to ${nameOf(plan.target)}`)
}

function rollbackOf(
  state: UpdateState,
  { from, target, migrations }: RollbackPlan,
  pending: Signal | null,
  channel: Signal['channel'],
  permits: readonly Permit[],
  at: string,
): Update {
  const { rolled_back, previous, deployed, update } = state
  const inTurn = [...previous, deployed]
  const since = inTurn.slice(inTurn.findLastIndex(({ commit }) => commit === target.commit) + 1)
  const left = [update?.rollback?.held ?? [], since, update?.target ?? []]
  // What is signalled is known to whoever goes back: to take it a moment later would be no rollback.
  const known = [rolled_back?.targets ?? [], ...left, pending?.target ?? []].flat()
  const held = known.filter(({ commit }) => commit !== target.commit).map(asTarget)
  const rollback = { migrations: [...migrations], held: newestOnce(held) }
  const fresh = startUpdate({ ...state, update: null }, channel, target, permits, at)
  const { put_aside = [], running = [] } = update ?? {}
  const kept = { put_aside, running, left_running: lastRestart(update), changed: [...lastChanged(state)] }
  return { ...fresh, from, attempts: 0, left_at: lastCheckout(update), ...kept, rollback }
}

/** Each commit once, where it stands last. */
function newestOnce(targets: readonly Target[]): Target[] {
  return [...new Map(targets.toReversed().map((target) => [target.commit, target])).values()].toReversed()
}
