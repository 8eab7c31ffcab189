import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { remove } from '../system/files.ts'
import { TimeSchema } from '../system/schemas.ts'
import { stateFile } from './file.ts'
import { forgetQuiet } from './quiet.ts'

const PauseSchema = v.object({
  since: TimeSchema,
  /** When it ends by itself, ISO 8601; null: when somebody says so. */
  until: v.nullable(TimeSchema),
})

/** While it lasts nothing is updated; what is new is detected all the same. */
export type Pause = v.InferOutput<typeof PauseSchema>

const { read, write } = stateFile('pause', PauseSchema, 'remove it, which ends the pause: rm FILE')

export const writePause = write

/** The pause that a person asked for; null where there is none, or it is over. */
export function readPause(paths: Paths, nowMs: number): Pause | null {
  const pause = read(paths)
  const isOver = pause?.until != null && Date.parse(pause.until) <= nowMs
  return isOver ? null : pause
}

/** So much a clock is put right by itself now and then. */
const CLOCK_TOLERANCE_MS = 60_000

/** A pause that began in what is now the future, by a clock that was turned back since, counts from now. */
export async function mendPause(paths: Paths, nowMs: number): Promise<void> {
  const pause = readPause(paths, nowMs)
  if (!pause?.until || Date.parse(pause.since) <= nowMs + CLOCK_TOLERANCE_MS) return
  const until = nowMs + Date.parse(pause.until) - Date.parse(pause.since)
  await writePause(paths, { since: new Date(nowMs).toISOString(), until: new Date(until).toISOString() })
}

export async function endPause(paths: Paths): Promise<void> {
  await forgetQuiet(paths)
  await remove(paths.pause)
}
