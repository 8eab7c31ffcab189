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
  /** To go back; see rollback.ts. */
  rollback: v.optional(
    v.nullable(v.object({ force: v.boolean(), to: v.optional(v.nullable(v.string()), null) })),
    null,
  ),
  /** ISO 8601. */
  at: TimeSchema,
})

/** What a person asked telec-update to do, for the one that does it in another process. */
export type Request = v.InferOutput<typeof RequestSchema>

/** One that nobody took up is no longer what anybody wants. */
const VALID_MS = 10 * 60_000

const { read, write } = stateFile('request', RequestSchema, 'remove it and ask again: rm FILE')

export const writeRequest = write

/** Takes a request up: it is there no more. Null where there is none, or an old one. */
export async function takeRequest(paths: Paths, nowMs: number): Promise<Request | null> {
  const request = read(paths)
  if (request === null) return null
  await remove(paths.request)
  return Math.abs(nowMs - Date.parse(request.at)) < VALID_MS ? request : null
}
