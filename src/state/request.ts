import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { remove } from '../system/files.ts'
import { TimeSchema } from '../system/schemas.ts'
import { stateFile } from './file.ts'
import { PERMITS } from './update-state.ts'

const RequestSchema = v.object({
  retry: v.boolean(),
  now: v.boolean(),
  permits: v.array(v.picklist(PERMITS)),
  /** The options of a rollback; see rollback.ts. */
  rollback: v.optional(
    v.nullable(v.object({ force: v.boolean(), to: v.optional(v.nullable(v.string()), null) })),
    null,
  ),
  at: TimeSchema,
})

/** The options with which a user called telec-update inside the service, for the telec-update of the unit. */
export type Request = v.InferOutput<typeof RequestSchema>

/** After this time the user no longer waits for it. */
const VALID_MS = 10 * 60_000

const { read, write } = stateFile('request', RequestSchema, 'remove it and ask again: rm FILE')

export const writeRequest = write

/** Reads and removes the request; null where there is none, or only an old one. */
export async function takeRequest(paths: Paths, nowMs: number): Promise<Request | null> {
  const request = read(paths)
  if (request === null) return null
  await remove(paths.request)
  return Math.abs(nowMs - Date.parse(request.at)) < VALID_MS ? request : null
}
