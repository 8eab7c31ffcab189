import * as v from 'valibot'
import { CommitSchema, type Target, TargetSchema } from '../channel/target.ts'
import { RETRY } from '../system/errors.ts'
import { printableName } from '../system/log.ts'
import { count } from '../system/plural.ts'
import { CountSchema, TimeSchema } from '../system/schemas.ts'
import { stateFile } from './file.ts'

const StepSchema = v.object({
  name: v.string(),
  began_at: TimeSchema,
  ended_at: v.nullable(TimeSchema),
  /** Its result, for messages. */
  note: v.nullable(v.string()),
})

/** The permissions of a user for a target: to take a rewritten branch or tag, or an older version, and to stash local changes. */
export const PERMITS = ['rewrite', 'downgrade', 'stash'] as const
export type Permit = (typeof PERMITS)[number]

const RollbackSchema = v.object({
  /** Those applied since the target was deployed; a rollback does not undo them. */
  migrations: v.array(v.string()),
  /** Not taken again automatically after the rollback. */
  held: v.array(TargetSchema),
})

const ChangedFileSchema = v.object({
  path: v.string(),
  /** As git records it; 0: the file is missing. */
  mode: CountSchema,
  /** Of its bytes, or of a link's target. */
  sha256: v.string(),
})

const RestartSchema = v.object({
  /** The unit's main process before the restart. */
  before: v.nullable(v.string()),
  /** Whether telec asked it to restart. */
  asked: v.boolean(),
})

const UpdateKeys = v.object({
  channel: v.string(),
  from: TargetSchema,
  target: TargetSchema,
  started_at: TimeSchema,
  /** How often it was started or resumed. */
  attempts: CountSchema,
  /** How many of them failed; a kill is no failure. */
  failures: v.optional(CountSchema, 0),
  steps: v.array(StepSchema),
  /** The commit of the checkout after an unfinished update before this one. */
  left_at: v.nullable(CommitSchema),
  /** The target to which an unfinished update before this one restarted the service. */
  left_running: v.optional(v.nullable(TargetSchema), null),
  permits: v.optional(v.array(v.picklist(PERMITS)), []),
  /** Null: it is no rollback. */
  rollback: v.optional(v.nullable(RollbackSchema), null),
  /** The local work that was stashed, and how to get it back; for messages. */
  put_aside: v.optional(v.array(v.string()), []),
  /** Tracked files that differed before the update changed anything; null: not looked at yet. */
  local: v.optional(v.nullable(v.array(v.string())), null),
  /** The tracked files that the last install command changed. */
  changed: v.optional(v.array(ChangedFileSchema), []),
  /** Units that ran when the update began, and are not asked to restart yet. */
  running: v.optional(v.array(v.string()), []),
  /** One for each unit, in the order of their restarts; see steps/restart.ts. */
  restarts: v.optional(v.array(v.object({ unit: v.nullable(v.string()), ...RestartSchema.entries })), []),
  /** The only unit of an older telec, which requires this key in a journal. */
  service: v.nullable(RestartSchema),
})

const UpdateSchema = v.pipe(
  UpdateKeys,
  v.transform(({ service, ...update }) => ({
    ...update,
    restarts: service ? [{ unit: null, ...service }] : update.restarts,
    service: null,
  })),
)

const HaltSchema = v.object({
  target: TargetSchema,
  step: v.string(),
  error: v.string(),
  because: v.nullable(v.string()),
  hint: v.nullable(v.string()),
  /** The command that continues the update, once the cause is fixed. */
  go_on: v.optional(v.string(), RETRY),
  migration: v.nullable(v.string()),
  transient: v.boolean(),
  at: TimeSchema,
  /** How many attempts failed so far; a kill is no failure. */
  attempts: CountSchema,
  /** When telec retries automatically; null: not before a new target or `--retry`. */
  next_try_at: v.nullable(TimeSchema),
})

const DeploymentSchema = v.object({
  ...TargetSchema.entries,
  /** The last migration that was recorded before it was deployed; null: none. */
  last_migration: v.optional(v.nullable(v.string())),
})

const UpdateStateSchema = v.pipe(
  v.object({
    deployed: v.object({ ...DeploymentSchema.entries, at: TimeSchema }),
    /** The deployments before, newest last, to which a rollback can return. */
    previous: v.optional(v.array(DeploymentSchema)),
    /** The targets of which a rollback got rid, newest last: not taken again before there is another one. */
    rolled_back: v.optional(v.nullable(v.object({ targets: v.array(TargetSchema), at: TimeSchema })), null),
    update: v.nullable(UpdateSchema),
    /** The journal of the update that led to `deployed`. */
    last: v.nullable(UpdateSchema),
    halted: v.nullable(HaltSchema),
    /** Why the signalled update has to wait for other computers of the fleet. */
    held: v.optional(v.nullable(v.object({ reason: v.string(), at: TimeSchema })), null),
  }),
  // A state of an older telec has one previous deployment at most.
  v.transform(({ previous, ...state }) => {
    const before: Deployment[] = previous ?? (state.last ? [state.last.from] : [])
    return { ...state, previous: before }
  }),
)

export type UpdateState = v.InferOutput<typeof UpdateStateSchema>
export type Update = v.InferOutput<typeof UpdateSchema>
export type Restart = Update['restarts'][number]
export type Deployment = v.InferOutput<typeof DeploymentSchema>
export type Halt = v.InferOutput<typeof HaltSchema>
export type ChangedFile = v.InferOutput<typeof ChangedFileSchema>

/** The deployment and the update of this computer; null before the first run. */
export const { read: readUpdateState, write: writeUpdateState } = stateFile(
  'updateState',
  UpdateStateSchema,
  'restore it from a backup, or move it away and let telec adopt the checkout as it is: mv FILE FILE.broken',
)

/** The state of a computer before its first update. */
export function firstState(deployed: Deployment, at: string): UpdateState {
  return {
    deployed: { ...deployed, at },
    previous: [],
    rolled_back: null,
    update: null,
    last: null,
    halted: null,
    held: null,
  }
}

/** Resumes the unfinished update where it has the same target, else starts a new one. Counts the attempt. */
export function startUpdate(
  state: UpdateState,
  channel: string,
  target: Target,
  permits: readonly Permit[],
  at: string,
): Update {
  const { update } = state
  if (update?.target.commit === target.commit)
    return {
      ...update,
      attempts: update.attempts + 1,
      permits: [...new Set([...update.permits, ...permits])],
    }
  return {
    channel,
    from: asTarget(state.deployed),
    target,
    started_at: at,
    attempts: 1,
    failures: 0,
    steps: [],
    left_at: lastHead(update),
    left_running: lastRunning(update),
    permits: [...permits],
    rollback: null,
    put_aside: update?.put_aside ?? [], // a replaced update did stash it
    local: null,
    changed: [...lastChanged(state)],
    running: update?.running ?? [], // a migration of a replaced update may have stopped them
    restarts: [],
    service: null,
  }
}

/** The target that the service runs: `deployed`, or that of an unfinished update which has restarted it. */
export function runningTarget({ deployed, update }: Pick<UpdateState, 'deployed' | 'update'>): Target {
  return lastRunning(update) ?? asTarget(deployed)
}

/** The target to which an unfinished update last restarted the service; null: none did. */
export function lastRunning(update: Update | null): Target | null {
  return update?.restarts.some(({ asked }) => asked) ? update.target : (update?.left_running ?? null)
}

/** The commit to which an unfinished update last moved the checkout; null: none did. */
export function lastHead(update: Update | null): string | null {
  return update && isEnded(update, 'checkout') ? update.target.commit : (update?.left_at ?? null)
}

/** A target without the other keys of a record. */
export function asTarget({ version, ref, commit }: Target): Target {
  return { version, ref, commit }
}

/** The tracked files that the last install command changed. */
export function lastChanged({ update, last }: UpdateState): readonly ChangedFile[] {
  return (update ?? last)?.changed ?? []
}

export function describeChanged(files: readonly ChangedFile[]): string {
  const names = files.map(({ path }) => printableName(path)).join(', ')
  return `the install command changed ${count(files.length, 'tracked file')}: ${names}`
}

export const CHANGED_HINT =
  'use a command that changes no tracked file (npm ci, not npm install), or let git ignore them (git rm --cached PATH, .gitignore); the next update restores them'

/** The restart of a unit. An older telec recorded no name of its only unit. */
export function restartOf({ restarts }: Update, unit: string, isOnly: boolean): Restart | null {
  return restarts.find((one) => one.unit === unit || (one.unit === null && isOnly)) ?? null
}

export function isEnded(update: Update, name: string): boolean {
  return update.steps.some((step) => step.name === name && step.ended_at !== null)
}

/** Whether telec was killed during the step. */
export function wasInterrupted(update: Update, name: string): boolean {
  return update.steps.some((step) => step.name === name && step.ended_at === null)
}

/** When the first interrupted step began; null: none was interrupted. */
export function interruptedSinceMs({ steps }: Update): number | null {
  const began = steps.filter((step) => step.ended_at === null).map((step) => Date.parse(step.began_at))
  return began.length > 0 ? Math.min(...began) : null
}

/** Removes a step that failed: unlike a killed one it left nothing half-done. */
export function failed(update: Update, name: string): Update {
  return { ...update, steps: update.steps.filter((step) => step.name !== name) }
}

/** Whether it has begun to change the checkout, from where telec always completes it. */
export function hasMoved(update: Update): boolean {
  return update.steps.some(({ name }) => name === 'checkout')
}

/** Whether telec resumes it even without a signal: it has changed the checkout, or is a rollback. */
export function isUnderWay(update: Update): boolean {
  return update.rollback !== null || hasMoved(update)
}

/** Whether it is the update to this commit; such an update waits for no window. */
export function isUnderWayTo(update: Update | null, commit: string): boolean {
  return update?.target.commit === commit && isUnderWay(update)
}

/** The unfinished rollback, which comes before any signal; null where it halted, so that a newer target can replace it. */
export function rollbackUnderWay({ update, halted }: UpdateState): Update | null {
  const isStuck = halted !== null && !halted.transient
  return update?.rollback && !isStuck ? update : null
}

/** Whether a rollback got rid of the target: it is not taken again automatically. */
export function isRolledBack({ rolled_back }: UpdateState, { commit }: Target): boolean {
  return rolled_back?.targets.some((target) => target.commit === commit) ?? false
}

export function began(update: Update, name: string, at: string): Update {
  const others = update.steps.filter((step) => step.name !== name)
  return { ...update, steps: [...others, { name, began_at: at, ended_at: null, note: null }] }
}

export function ended(update: Update, name: string, at: string, note: string | null): Update {
  return {
    ...update,
    steps: update.steps.map((step) => (step.name === name ? { ...step, ended_at: at, note } : step)),
  }
}
