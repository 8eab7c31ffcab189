import * as v from 'valibot'
import { CommitSchema, type Target, TargetSchema } from '../channel/target.ts'
import { RETRY } from '../system/errors.ts'
import { printableName } from '../system/log.ts'
import { CountSchema, TimeSchema } from '../system/schemas.ts'
import { stateFile } from './file.ts'

const StepSchema = v.object({
  name: v.string(),
  began_at: TimeSchema,
  ended_at: v.nullable(TimeSchema),
  /** What came of it, for people. */
  note: v.nullable(v.string()),
})

/** What a person permitted for one target: to take what was rewritten, to go back, to put local changes aside. */
export const PERMITS = ['rewrite', 'downgrade', 'stash'] as const
export type Permit = (typeof PERMITS)[number]

const RollbackSchema = v.object({
  /** What was recorded as applied since the target was deployed; it is not undone. */
  migrations: v.array(v.string()),
  /** What is not taken again by itself once this is done. */
  held: v.array(TargetSchema),
})

const ChangedFileSchema = v.object({
  path: v.string(),
  /** As git records modes; 0 where it is gone. */
  mode: CountSchema,
  /** Of its bytes, or of where it leads. */
  sha256: v.string(),
})

const RestartSchema = v.object({
  /** The unit's main process before the restart. */
  before: v.nullable(v.string()),
  /** Whether that was asked to leave. */
  asked: v.boolean(),
})

const UpdateKeys = v.object({
  channel: v.string(),
  from: TargetSchema,
  target: TargetSchema,
  started_at: TimeSchema,
  /** How many times it was begun or gone on with. */
  attempts: CountSchema,
  /** How many of them failed; a kill is no failure. */
  failures: v.optional(CountSchema, 0),
  steps: v.array(StepSchema),
  /** Where an update before this one, which did not end, left the checkout. */
  left_at: v.nullable(CommitSchema),
  /** What an update before this one, which did not end, had the service restarted to; null: nothing. */
  left_running: v.optional(v.nullable(TargetSchema), null),
  permits: v.optional(v.array(v.picklist(PERMITS)), []),
  /** Where it is a person's way back. */
  rollback: v.optional(v.nullable(RollbackSchema), null),
  /** What was somebody's and in the way, and how to have it back; for people. */
  put_aside: v.optional(v.array(v.string()), []),
  /** Tracked files that differed before the update touched anything; null: nobody has looked. */
  local: v.optional(v.nullable(v.array(v.string())), null),
  /** What the last install command changed in tracked files, and as what it left them. */
  changed: v.optional(v.array(ChangedFileSchema), []),
  /** Units that ran when the update began, and that it has not asked to restart yet. */
  running: v.optional(v.array(v.string()), []),
  /** Of each unit, in the order in which they are restarted; see steps/restart.ts. */
  restarts: v.optional(v.array(v.object({ unit: v.nullable(v.string()), ...RestartSchema.entries })), []),
  /** What an older telec wrote of the only unit that it knew; it takes no journal without the key. */
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
  /** The command that goes on, once the cause is mended. */
  go_on: v.optional(v.string(), RETRY),
  migration: v.nullable(v.string()),
  transient: v.boolean(),
  at: TimeSchema,
  /** How many attempts failed so far; those that were killed do not count. */
  attempts: CountSchema,
  /** When it is tried again by itself; null: not before a new target or `--retry`. */
  next_try_at: v.nullable(TimeSchema),
})

const DeploymentSchema = v.object({
  ...TargetSchema.entries,
  /** The migration that was recorded last by then; null: none was. */
  last_migration: v.optional(v.nullable(v.string())),
})

const UpdateStateSchema = v.pipe(
  v.object({
    deployed: v.object({ ...DeploymentSchema.entries, at: TimeSchema }),
    /** What was deployed before, newest last: along this a rollback goes back. */
    previous: v.optional(v.array(DeploymentSchema)),
    /** From what a person went back, newest last: none of it is taken again before there is another target. */
    rolled_back: v.optional(v.nullable(v.object({ targets: v.array(TargetSchema), at: TimeSchema })), null),
    update: v.nullable(UpdateSchema),
    /** The journal of the update that led to `deployed`. */
    last: v.nullable(UpdateSchema),
    halted: v.nullable(HaltSchema),
    /** Why the update that is signalled has to wait for others of the fleet. */
    held: v.optional(v.nullable(v.object({ reason: v.string(), at: TimeSchema })), null),
  }),
  // One that an older telec wrote knows of one at most.
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
export type StepRecord = v.InferOutput<typeof StepSchema>

/** What this computer has deployed and what it is doing about it; null before the first run. */
export const { read: readUpdateState, write: writeUpdateState } = stateFile(
  'updateState',
  UpdateStateSchema,
  'restore it from a backup, or move it away and let telec adopt the checkout as it is: mv FILE FILE.broken',
)

/** The record of a computer on which nothing was ever updated. */
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

/** The update to `target`: the one under way where it has the same target, else a new one. Counts the attempt. */
export function takeUp(
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
    from: named(state.deployed),
    target,
    started_at: at,
    attempts: 1,
    failures: 0,
    steps: [],
    left_at: leftAt(update),
    left_running: leftRunning(update),
    permits: [...permits],
    rollback: null,
    // What was put aside on the way to a target that another one replaced is told all the same.
    put_aside: update?.put_aside ?? [],
    local: null,
    changed: [...lastChanged(state)],
    // What a migration stopped before its update halted is started by the update that replaces it.
    running: update?.running ?? [],
    restarts: [],
    service: null,
  }
}

/** What the service runs: what is deployed, or what an update that is not done has had it restarted to. */
export function whatRuns({ deployed, update }: Pick<UpdateState, 'deployed' | 'update'>): Target {
  return leftRunning(update) ?? named(deployed)
}

/** The last thing that an update, or one before it, had the service restarted to, without having ended; null: nothing. */
export function leftRunning(update: Update | null): Target | null {
  return update?.restarts.some(({ asked }) => asked) ? update.target : (update?.left_running ?? null)
}

/** Of a record the target alone. */
export function named({ version, ref, commit }: Target): Target {
  return { version, ref, commit }
}

/** What the install command that ran last changed in tracked files. */
export function lastChanged({ update, last }: UpdateState): readonly ChangedFile[] {
  return (update ?? last)?.changed ?? []
}

/** What the install command did to tracked files, for people. */
export function describeChanged(files: readonly ChangedFile[]): string {
  const names = files.map(({ path }) => printableName(path)).join(', ')
  return `the install command changed ${files.length} tracked file(s): ${names}`
}

/** What a person can do about it. */
export const CHANGED_HINT =
  'they are put back before the next update; use a command that leaves them alone (npm ci, not npm install), or have git ignore them (git rm --cached PATH, .gitignore)'

/** Where an update that did not end left the checkout. */
export function leftAt(update: Update | null): string | null {
  return update && isEnded(update, 'checkout') ? update.target.commit : (update?.left_at ?? null)
}

/** What is recorded of a unit's restart. What an older telec wrote names none: it is that of the only one. */
export function restartOf({ restarts }: Update, unit: string, isOnly: boolean): Restart | null {
  return restarts.find((one) => one.unit === unit || (one.unit === null && isOnly)) ?? null
}

export function isEnded(update: Update, name: string): boolean {
  return update.steps.some((step) => step.name === name && step.ended_at !== null)
}

/** A step that was begun and not ended, because what ran it was killed. */
export function wasInterrupted(update: Update, name: string): boolean {
  return update.steps.some((step) => step.name === name && step.ended_at === null)
}

/** When the first step began of those that did not end; null: there is none. */
export function interruptedSinceMs({ steps }: Update): number | null {
  const began = steps.filter((step) => step.ended_at === null).map((step) => Date.parse(step.began_at))
  return began.length > 0 ? Math.min(...began) : null
}

/** The step failed and is over: unlike one that was killed it left nothing half-done of which telec knows. */
export function failed(update: Update, name: string): Update {
  return { ...update, steps: update.steps.filter((step) => step.name !== name) }
}

/** Whether it has begun to change the checkout: from there on it is not left half-way. */
export function hasMoved(update: Update): boolean {
  return update.steps.some(({ name }) => name === 'checkout')
}

/** Whether it is to be gone on with although nobody asks for it any more: it has begun, or a person went back. */
export function isUnderWay(update: Update): boolean {
  return update.rollback !== null || hasMoved(update)
}

/** Whether that is the update to this commit: no window holds it any more. */
export function isUnderWayTo(update: Update | null, commit: string): boolean {
  return update?.target.commit === commit && isUnderWay(update)
}

/** The way back that goes before whatever is signalled; one that is stuck leaves room for a newer target. */
export function rollbackUnderWay({ update, halted }: UpdateState): Update | null {
  const isStuck = halted !== null && !halted.transient
  return update?.rollback && !isStuck ? update : null
}

/** What a person rolled back from is not taken again by itself. */
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
