import * as v from 'valibot'
import { SightingSchema } from '../channel/sightings.ts'
import { TargetSchema } from '../channel/target.ts'
import type { Paths } from '../config/paths.ts'
import { modifiedAt, touch } from '../system/files.ts'
import { CountSchema, TimeSchema } from '../system/schemas.ts'
import { stateFile } from './file.ts'

const WatchStateSchema = v.object({
  /** The last poll that reached the remote, and its result. */
  polled_at: v.nullable(TimeSchema),
  outcome: v.nullable(v.picklist(['update', 'current', 'held', 'refused', 'missing'])),
  reason: v.nullable(v.string()),
  target: v.nullable(TargetSchema),
  /** The permission with which it would take the target. */
  refusal: v.optional(v.nullable(v.picklist(['rewrite', 'downgrade'])), null),
  /** What to do where the outcome is `missing`. */
  hint: v.optional(v.nullable(v.string()), null),
  seen: v.optional(v.array(SightingSchema), []),
  /** Tags that look like a version, and are invalid. */
  malformed: v.optional(v.array(v.string()), []),
  /** The mirror that answered instead of the remote. */
  via: v.optional(v.nullable(v.string()), null),
  /** The number of failed polls since then. */
  failures: CountSchema,
  last_failure: v.nullable(v.string()),
  /** What the user has to do about the failure; null: it may pass. */
  repair: v.optional(v.nullable(v.string()), null),
  /** The timer's polls wait until then; null: the next one polls. */
  next_poll_at: v.optional(v.nullable(TimeSchema), null),
})

/** The result of the last polls; status and doctor tell by its time whether telec-watch still runs. */
export type WatchState = v.InferOutput<typeof WatchStateSchema>

const { read, write } = stateFile('watchState', WatchStateSchema)

export function readWatchState(paths: Paths): WatchState | null {
  const state = read(paths)
  if (state === null || state.polled_at === null || state.failures > 0) return state
  const touchedAt = modifiedAt(paths.watchState)
  const isLater = touchedAt !== null && touchedAt.getTime() > Date.parse(state.polled_at) + WRITING_MS
  return isLater ? { ...state, polled_at: touchedAt.toISOString() } : state
}

/** A file may be written this much later than the time in it. */
const WRITING_MS = 1_000

/** Records a poll. Where its result equals the one before, only the file's time changes, which spares a thousand writes a day. */
export async function recordPoll(
  paths: Paths,
  state: WatchState,
  before: WatchState | null,
  nowMs: number,
): Promise<void> {
  const isSame =
    JSON.stringify({ ...state, polled_at: null }) === JSON.stringify({ ...before, polled_at: null }) &&
    Date.parse(before?.polled_at ?? '') <= nowMs // else the clock was set back, and the time in the file is wrong
  if (isSame) await touch(paths.watchState, nowMs)
  else await writeWatchState(paths, state)
}

export async function writeWatchState(paths: Paths, state: WatchState): Promise<void> {
  await write(paths, state)
  if (state.polled_at) await touch(paths.watchState, Date.parse(state.polled_at))
}

/** Why this computer takes no version until the user acts; null: no problem. */
export function problemOf(watch: WatchState | null): string | null {
  if (watch && needsRepair(watch)) return watch.last_failure
  if (watch?.outcome === 'missing') return `nothing to follow: ${watch.reason}`
  return watch?.outcome === 'refused' ? `not taken: ${watch.reason}` : null
}

/** Whether polls fail until the user acts: the remote refuses a login, for example. */
export function needsRepair({ failures, repair }: WatchState): boolean {
  return failures > 0 && repair !== null
}

export const NEVER_POLLED = v.parse(WatchStateSchema, {
  polled_at: null,
  outcome: null,
  reason: null,
  target: null,
  failures: 0,
  last_failure: null,
})
