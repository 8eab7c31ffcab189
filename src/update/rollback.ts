import { distinct, isCalled, parseName, ruleOf, shortName } from '../channel/choices.ts'
import { nameOf, type Target } from '../channel/target.ts'
import { findService } from '../service/find.ts'
import { readChoices } from '../state/choices.ts'
import { type MigrationRecord, readMigrationRecord, recordedSince } from '../state/migrations.ts'
import { readSignal, writeSignal } from '../state/signal.ts'
import {
  asTarget,
  type Deployment,
  hasMoved,
  lastChanged,
  lastHead,
  lastRunning,
  type Permit,
  startUpdate,
  type Update,
  type UpdateState,
  writeUpdateState,
} from '../state/update-state.ts'
import { shellWord, TelecError } from '../system/errors.ts'
import { count } from '../system/plural.ts'
import { isoTime } from '../system/world.ts'
import type { UpdateContext } from './context.ts'
import { takeBackCheckout } from './steps/checkout.ts'
import { fetch } from './steps/fetch.ts'
import { preflight } from './steps/preflight.ts'
import { verify, verifyTarget } from './steps/verify.ts'

export interface RollbackOptions {
  /** Also where migrations ran since. */
  readonly force: boolean
  /** A version or commit that was deployed here; null: the one before. */
  readonly to: string | null
}

export interface RollbackPlan {
  readonly from: Target
  readonly target: Target
  /** Those that ran since the target was deployed; they are not undone. */
  readonly migrations: readonly string[]
}

/**
 * Rolls back to `to`, else from an update that halted half-way to `deployed`, else to the deployment before. Pure.
 *
 * @param never versions on hold: they are skipped unless `to` names them.
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
      because: 'it has begun to change the checkout',
      hint: 'resume it (telec-update), then roll back: telec-update rollback',
    })
  if (asked?.commit === deployed.commit && !isHalfWay)
    throw new TelecError('halted', `${nameOf(deployed)} is deployed already`, {
      hint: `pin it, to stay at it: telec pin ${shortName(deployed)}`,
    })
  const isFree = (one: Target) => ruleOf({ pin: null, held: never }, one) === null
  const target = asked ?? (isHalfWay ? deployed : state.previous.findLast(isFree))
  if (!target && state.previous.length > 0)
    throw new TelecError('halted', `all versions deployed before ${nameOf(deployed)} are held`, {
      because: state.previous.map(nameOf).join('\n'),
      hint: 'roll back to a held version by its name: telec rollback --to VERSION',
    })
  if (!target)
    throw new TelecError('halted', `there is no deployment before ${nameOf(deployed)}`, {
      because: 'telec knows only the versions that it deployed here, and the one that it found at first',
      hint: 'push a commit that reverts the fault: git revert',
    })
  return {
    from: asTarget(isHalfWay ? update.target : deployed),
    target: asTarget(target),
    migrations: recordedSince(record, target.last_migration ?? null),
  }
}

/** The deployment that a version or commit names; a commit tells deployments of one version apart. */
function namedDeployment({ previous, deployed, rolled_back, update }: UpdateState, text: string): Deployment {
  const name = parseName(text)
  const all = distinct([deployed, ...previous.toReversed()])
  const found = all.filter((one) => isCalled(one, name))
  const [only, ...others] = found
  if (only && others.length === 0) return only
  const last = rolled_back?.targets.at(-1)
  if (!only && !update && last && isCalled(last, name))
    throw new TelecError('halted', `${nameOf(last)} is the version that was rolled back`, {
      hint: 'deploy it again: telec-update --retry',
    })
  const [what, among] = only
    ? [`${text} names ${count(found.length, 'deployment')}`, found]
    : [`${text} is not among the last ${count(all.length, 'deployment')} on this computer`, all]
  throw new TelecError(only ? 'usage' : 'halted', what, {
    because: among.map(nameOf).join('\n'),
    hint: only ? 'name one by its commit' : 'name one of these',
  })
}

/** Throws where migrations ran that the target does not have, unless the user takes the risk. */
export function verifyMigrations({ target, migrations }: RollbackPlan, { force, to }: RollbackOptions): void {
  if (force || migrations.length === 0) return
  const what = `${count(migrations.length, 'migration')} ran since ${nameOf(target)} was deployed`
  throw new TelecError('halted', `${what}; a rollback does not undo them`, {
    because: migrations.join('\n'),
    hint: `roll back all the same, if ${nameOf(target)} works with their changes: telec-update rollback ${to === null ? '' : `--to ${shellWord(to)} `}--force`,
  })
}

/** Writes a rollback into the journal, after every check that can refuse it. The caller holds the lock. */
export async function beginRollback(
  context: UpdateContext,
  state: UpdateState,
  permits: readonly Permit[],
  options: RollbackOptions,
): Promise<void> {
  const { world, paths } = context
  // Invalid choices refuse it here: it moves the pin.
  const plan = planRollback(state, readMigrationRecord(paths), options.to, readChoices(paths).held)
  verifyMigrations(plan, options)
  const settled = await takeBackCheckout(context, state, plan.target.commit)
  const current = settled.update
  const update =
    current?.rollback && current.target.commit === plan.target.commit
      ? current
      : rollbackOf(context, settled, plan, permits)
  const supervised = findService(context)
  const nothing = async () => undefined
  const dry = { interrupted: false, remember: () => undefined, writeDown: nothing, recordStash: nothing }
  const stepContext = { ...context, ...dry, supervised, update }
  // With --stash only the step itself looks for local changes: its note says where they are.
  const verifying = permits.includes('stash') ? verifyTarget : verify
  for (const check of [preflight, fetch, verifying]) await check(stepContext)
  // From its beginning: a rollback that halts may be replaced by a newer version, but by none that the user left.
  const rolled_back = { targets: update.rollback?.held ?? [], at: isoTime(world) }
  await writeUpdateState(paths, { ...settled, update, rolled_back, halted: null })
  // If this program is killed, the units resume the rollback by the signal, as every update.
  await writeSignal(context, plan.from, plan.target, 'telec-update rollback')
  world.log.notice(`rolling back from ${nameOf(plan.from)} to ${nameOf(plan.target)}`)
}

function rollbackOf(
  { world, config, paths }: UpdateContext,
  state: UpdateState,
  { from, target, migrations }: RollbackPlan,
  permits: readonly Permit[],
): Update {
  const { rolled_back, previous, deployed, update } = state
  const deployments = [...previous, deployed]
  const since = deployments.slice(deployments.findLastIndex(({ commit }) => commit === target.commit) + 1)
  const left = [update?.rollback?.held ?? [], since, update?.target ?? []]
  // The user knows the signalled version: to take it a moment later would be no rollback.
  const known = [rolled_back?.targets ?? [], ...left, readSignal(paths)?.target ?? []].flat()
  const held = distinct(known.filter(({ commit }) => commit !== target.commit).map(asTarget))
  const rollback = { migrations: [...migrations], held }
  const { channel } = config.deployment
  const fresh = startUpdate({ ...state, update: null }, channel, target, permits, isoTime(world))
  const { put_aside = [], running = [] } = update ?? {}
  const kept = { put_aside, running, left_running: lastRunning(update), changed: [...lastChanged(state)] }
  return { ...fresh, from, attempts: 0, left_at: lastHead(update), ...kept, rollback }
}
