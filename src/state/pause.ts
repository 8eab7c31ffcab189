import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { remove } from '../system/files.ts'
import { TimeSchema } from '../system/schemas.ts'
import { forgetQuiet, stateFile } from './file.ts'

const PauseSchema = v.object({
  since: TimeSchema,
  /** Null: until `telec resume`. */
  until: v.nullable(TimeSchema),
})

/** A time without updates; polls still find new versions. */
export type Pause = v.InferOutput<typeof PauseSchema>

const { read, write } = stateFile('pause', PauseSchema, 'remove it, which ends the pause: rm FILE')

export const writePause = write

/** Null where there is no pause, or it is over. */
export function readPause(paths: Paths, nowMs: number): Pause | null {
  const pause = read(paths)
  const isOver = pause?.until != null && Date.parse(pause.until) <= nowMs
  return isOver ? null : pause
}

/** NTP corrects a clock by less. */
const CLOCK_TOLERANCE_MS = 60_000

/** A pause that begins in the future counts from now: the clock was set back. */
export async function correctPause(paths: Paths, nowMs: number): Promise<void> {
  const pause = readPause(paths, nowMs)
  if (!pause?.until || Date.parse(pause.since) <= nowMs + CLOCK_TOLERANCE_MS) return
  const until = nowMs + Date.parse(pause.until) - Date.parse(pause.since)
  await writePause(paths, { since: new Date(nowMs).toISOString(), until: new Date(until).toISOString() })
}

export async function endPause(paths: Paths): Promise<void> {
  await forgetQuiet(paths)
  await remove(paths.pause)
}
