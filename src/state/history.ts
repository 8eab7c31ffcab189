import * as v from 'valibot'
import { TargetSchema } from '../channel/target.ts'
import type { Paths } from '../config/paths.ts'
import { CountSchema, NumberSchema, TimeSchema } from '../system/schemas.ts'
import { readChoices } from './choices.ts'
import { stateFile } from './file.ts'
import type { Halt, Update } from './update-state.ts'

const EntrySchema = v.object({
  from: TargetSchema,
  target: TargetSchema,
  started_at: TimeSchema,
  ended_at: TimeSchema,
  rollback: v.optional(v.boolean(), false),
  /** The target was pinned. */
  pinned: v.optional(v.boolean(), false),
  /** How often it was started or resumed. */
  attempts: CountSchema,
  /** The last duration of each step. */
  seconds: v.record(v.string(), NumberSchema),
  /** The local work that was stashed, and how to get it back. */
  put_aside: v.optional(v.array(v.string()), []),
  /** The step where it halted; null: it is deployed. */
  halted: v.nullable(v.object({ step: v.string(), error: v.string() })),
})

export type HistoryEntry = v.InferOutput<typeof EntrySchema>

const KEPT = 50

const { read, write } = stateFile('history', v.array(EntrySchema))

/** The last updates, oldest first; empty before the first one. */
export const readHistory = (paths: Paths): HistoryEntry[] => read(paths) ?? []

/** Records the result of an update; a retry replaces it. Durable with the next write. */
export async function recordEnd(paths: Paths, update: Update, halt: Halt | null, at: string): Promise<void> {
  const entry: HistoryEntry = {
    from: update.from,
    target: update.target,
    started_at: update.started_at,
    ended_at: at,
    rollback: update.rollback !== null,
    pinned: readChoices(paths).pin?.commit === update.target.commit && update.rollback === null,
    attempts: update.attempts,
    seconds: Object.fromEntries(
      update.steps.flatMap(({ name, began_at, ended_at }) =>
        ended_at === null ? [] : [[name, Math.max(0, Date.parse(ended_at) - Date.parse(began_at)) / 1000]],
      ),
    ),
    put_aside: update.put_aside,
    halted: halt && { step: halt.step, error: halt.error },
  }
  const others = readHistory(paths).filter(
    ({ started_at, target }) => started_at !== entry.started_at || target.commit !== entry.target.commit,
  )
  await write(paths, [...others, entry].slice(-KEPT), { folder: 'synced later' })
}
