import * as v from 'valibot'
import { SightingSchema } from '../channel/sightings.ts'
import { TargetSchema } from '../channel/target.ts'
import type { Paths } from '../config/paths.ts'
import { modifiedAt, touch } from '../system/files.ts'
import { CountSchema, TimeSchema } from '../system/schemas.ts'
import { stateFile } from './file.ts'

const WatchStateSchema = v.object({
  /** The last poll that reached the remote, and what came of it. */
  polled_at: v.nullable(TimeSchema),
  outcome: v.nullable(v.picklist(['update', 'current', 'held', 'refused', 'missing'])),
  reason: v.nullable(v.string()),
  target: v.nullable(TargetSchema),
  /** Which permission of a person would make it take the target all the same. */
  refusal: v.optional(v.nullable(v.picklist(['rewrite', 'downgrade'])), null),
  /** What to do where nothing is there that could be taken. */
  hint: v.optional(v.nullable(v.string()), null),
  seen: v.optional(v.array(SightingSchema), []),
  /** Tags that look like a version and are none. */
  malformed: v.optional(v.array(v.string()), []),
  /** The mirror that answered for the remote. */
  via: v.optional(v.nullable(v.string()), null),
  /** Polls since then that did not reach it. */
  failures: CountSchema,
  last_failure: v.nullable(v.string()),
  /** What a person does about it; null: it passes by itself. */
  repair: v.optional(v.nullable(v.string()), null),
  /** Before that the timer's polls do nothing; null: the next one polls. */
  next_poll_at: v.optional(v.nullable(TimeSchema), null),
})

/** What telec-watch leaves behind, so that quiet is told from dead. */
export type WatchState = v.InferOutput<typeof WatchStateSchema>

const { read, write } = stateFile('watchState', WatchStateSchema)

export function readWatchState(paths: Paths): WatchState | null {
  const state = read(paths)
  if (state === null || state.polled_at === null || state.failures > 0) return state
  const touchedAt = modifiedAt(paths.watchState)
  const isLater = touchedAt !== null && touchedAt.getTime() > Date.parse(state.polled_at) + WRITING_MS
  return isLater ? { ...state, polled_at: touchedAt.toISOString() } : state
}

/** Between the time that is written and the one at which it was written. */
const WRITING_MS = 1_000

/**
 * Records a poll. Where it found what the one before found, the time of the file says when that was: a thousand polls a
 * day need not be a thousand writes.
 */
export async function recordPoll(
  paths: Paths,
  state: WatchState,
  before: WatchState | null,
  nowMs: number,
): Promise<void> {
  const isSame =
    JSON.stringify({ ...state, polled_at: null }) === JSON.stringify({ ...before, polled_at: null }) &&
    Date.parse(before?.polled_at ?? '') <= nowMs // else the clock was turned back, and what is written is wrong
  if (isSame) await touch(paths.watchState, nowMs)
  else await writeWatchState(paths, state)
}

export async function writeWatchState(paths: Paths, state: WatchState): Promise<void> {
  await write(paths, state)
  if (state.polled_at) await touch(paths.watchState, Date.parse(state.polled_at)) // its time is that of the poll
}

/** Why nothing is taken, for people, where that does not pass by itself. */
export function problemOf(watch: WatchState | null): string | null {
  if (watch && needsRepair(watch)) return watch.last_failure
  if (watch?.outcome === 'missing') return `nothing to follow: ${watch.reason}`
  return watch?.outcome === 'refused' ? `not taken: ${watch.reason}` : null
}

/** Whether polls fail until a person does something: the remote is in reach, and refuses a login, say. */
export function needsRepair({ failures, repair }: WatchState): boolean {
  return failures > 0 && repair !== null
}

/** Of a computer that never polled. */
export const NEVER_POLLED = v.parse(WatchStateSchema, {
  polled_at: null,
  outcome: null,
  reason: null,
  target: null,
  failures: 0,
  last_failure: null,
})
