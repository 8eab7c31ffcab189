import type { Service } from '../config/service.ts'
import { movePin } from '../state/choices.ts'
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
import { VERSION } from '../system/version.ts'
import { isoTime } from '../system/world.ts'
import type { UpdateContext } from './context.ts'
import { createReport } from './report.ts'
import { retryDelayMs } from './retry.ts'
import type { Step } from './step.ts'

/** So far back a person can go. */
const KEPT_DEPLOYMENTS = 20

/** Done: what runs now is what is deployed. Only then is the signal removed. */
export async function finish(context: UpdateContext, before: UpdateState, update: Update): Promise<void> {
  const { world, paths } = context
  const at = isoTime(world)
  const last_migration = lastRecorded(readMigrationRecord(paths))
  await createReport(context, before, update).updated()
  await remember(context, update, null)
  if (update.rollback) await movePin(paths, update.target, at)
  const state = {
    ...firstState({ ...update.target, last_migration }, at),
    previous: previousOnce(before, update),
    rolled_back: update.rollback && { targets: update.rollback.held, at },
    last: update,
  }
  // Durable with the removal; where a power cut comes first, the end is come to once more.
  await writeUpdateState(paths, state, { folder: 'synced later' })
  await removeSignal(paths, update.target.commit)
}

/** What was deployed before, once this update is done. */
function previousOnce({ deployed: last, previous }: UpdateState, { target, rollback }: Update): Deployment[] {
  const { at: _, ...deployed } = last
  if (target.commit === deployed.commit) return previous // back from one that halted half-way
  if (!rollback) return [...previous, deployed].slice(-KEPT_DEPLOYMENTS)
  return previous.slice(
    0,
    Math.max(
      0,
      previous.findLastIndex(({ commit }) => commit === target.commit),
    ),
  )
}

/** Records and reports that the update stopped; the signal stays, and so does the journal. */
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
  await createReport(context, state, update).halted(halted)
}

/** Where the disk failed at the very end, people read of an update under way, or nothing of it: that is put right. */
export async function mendReports(
  { world, config, paths, sinks }: UpdateContext,
  { deployed, last }: UpdateState,
): Promise<void> {
  await orWarn(world, 'the last status was not written', async () => {
    const isKnown = ({ started_at, halted }: HistoryEntry) => started_at === last?.started_at && !halted
    if (last && !readHistory(paths).some(isKnown)) await recordEnd(paths, last, null, deployed.at)
    const status = readStatus(paths)
    if (status === null || (status.status === 'updated' && status.commit === deployed.commit)) return
    const record = { ...statusOfDeployed(config, deployed), from: last?.from.version ?? null }
    for (const sink of sinks) sink.publish(record)
    await writeStatus(paths, record)
  })
}

/** A bug halts, too: a program that crashes at every poll would be an update loop. */
export function bug(error: unknown): TelecError {
  return new TelecError('halted', `a bug in telec ${VERSION}`, {
    because: error instanceof Error ? (error.stack ?? error.message) : String(error),
    hint: 'please report it; to try again: telec-update --retry',
    interrupted: true,
  })
}

/** What people look up later never fails an update. */
function remember({ world, paths }: Service, update: Update, halt: Halt | null): Promise<void> {
  return orWarn(world, 'the history was not written', () => recordEnd(paths, update, halt, isoTime(world)))
}
