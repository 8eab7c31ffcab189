import { shortName } from '../channel/choices.ts'
import { nameOf } from '../channel/target.ts'
import type { Service } from '../config/service.ts'
import { type HistoryEntry, readHistory, recordEnd } from '../state/history.ts'
import { lastRecorded, readMigrationRecord } from '../state/migrations.ts'
import { removeSignal } from '../state/signal.ts'
import { readStatus, statusOfDeployed, writeStatus } from '../state/status.ts'
import {
  type Deployment,
  firstState,
  type Halt,
  type Update,
  type UpdateState,
  writeUpdateState,
} from '../state/update-state.ts'
import { TelecError } from '../system/errors.ts'
import { orWarn } from '../system/limit.ts'
import { localTime } from '../system/local-time.ts'
import { VERSION } from '../system/version.ts'
import { isoTime } from '../system/world.ts'
import type { Step, UpdateContext } from './context.ts'
import { reportStatus } from './report.ts'
import { retryDelayMs } from './retry.ts'

/** How many deployments back a rollback can go. */
const KEPT_DEPLOYMENTS = 20

/** Records the target as deployed, and only then removes the signal. */
export async function finish(context: UpdateContext, before: UpdateState, update: Update): Promise<void> {
  const { world, paths } = context
  const { from, target, rollback, started_at } = update
  const at = isoTime(world)
  const last_migration = lastRecorded(readMigrationRecord(paths))
  const state = {
    ...firstState({ ...target, last_migration }, at),
    previous: previousOnce(before, update),
    rolled_back: rollback && { targets: rollback.held, at },
    last: update,
  }
  // Before anything says so: the disk may be full. Durable with the removal; after a power cut before it this end runs again.
  await writeUpdateState(paths, state, { folder: 'synced later' })
  const how = rollback ? 'rolled back' : 'updated'
  const seconds = (Math.max(0, world.now() - Date.parse(started_at)) / 1000).toFixed(1)
  world.log.notice(`${how}: ${shortName(target)} is deployed (${seconds} s)`)
  world.log.outcome(`${how} from ${nameOf(from)} to ${nameOf(target)}`)
  await reportStatus(context, before, update, { status: 'updated', step: 'done' }, { folder: 'synced later' })
  await remember(context, update, null)
  await removeSignal(paths, target.commit)
}

function previousOnce({ deployed: last, previous }: UpdateState, { target, rollback }: Update): Deployment[] {
  const { at: _, ...deployed } = last
  if (target.commit === deployed.commit) return previous // rolled back from a half-way update
  if (!rollback) return [...previous, deployed].slice(-KEPT_DEPLOYMENTS)
  const at = previous.findLastIndex(({ commit }) => commit === target.commit)
  return previous.slice(0, Math.max(0, at))
}

/** Records and reports a halt; signal and journal stay. */
export async function halt(
  context: UpdateContext,
  state: UpdateState,
  update: Update,
  step: Step,
  error: TelecError,
): Promise<void> {
  const { world, config, paths } = context
  const failures = update.failures + 1
  const nextTryMs = world.now() + retryDelayMs(failures, config.computer)
  const halted: Halt = {
    target: update.target,
    step: step.name,
    error: error.message,
    because: error.because ?? null,
    hint: error.hint ?? null,
    go_on: error.retryCommand,
    migration: error.migration ?? null,
    transient: error.kind === 'later',
    at: isoTime(world),
    attempts: failures,
    next_try_at: error.kind === 'later' ? new Date(nextTryMs).toISOString() : null,
  }
  await writeUpdateState(paths, { ...state, update: { ...update, failures }, halted })
  await remember(context, update, halted)
  world.log.progress(null)
  if (halted.next_try_at !== null)
    world.log.warning(`${step.name}: telec retries at ${localTime(halted.next_try_at)}`)
  await reportStatus(context, state, update, { status: 'update_failed', step: step.name }, {}, halted)
}

/** Where the disk failed at the very end, history and status lack it: writes them again. */
export async function completeReports(
  { world, config, paths, sinks }: UpdateContext,
  { deployed, last }: UpdateState,
): Promise<void> {
  await orWarn(world, 'cannot write the last status', async () => {
    const isKnown = ({ started_at, halted }: HistoryEntry) => started_at === last?.started_at && !halted
    if (last && !readHistory(paths).some(isKnown)) await recordEnd(paths, last, null, deployed.at)
    const status = readStatus(paths)
    if (status === null || (status.status === 'updated' && status.commit === deployed.commit)) return
    const record = { ...statusOfDeployed(config, deployed), from: last?.from.version ?? null }
    for (const sink of sinks) sink.publish(record)
    await writeStatus(paths, record)
  })
}

/** A bug halts, too: a crash would repeat at every poll. */
export function bug(error: unknown): TelecError {
  return new TelecError('halted', `a bug in telec ${VERSION}`, {
    because: error instanceof Error ? (error.stack ?? error.message) : String(error),
    hint: 'report it, then retry: telec-update --retry',
    interrupted: true,
  })
}

/** The history never fails an update. */
function remember({ world, paths }: Service, update: Update, halt: Halt | null): Promise<void> {
  return orWarn(world, 'cannot write the history', () => recordEnd(paths, update, halt, isoTime(world)))
}
