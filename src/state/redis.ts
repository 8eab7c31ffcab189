import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { readJson, writeJson } from '../system/files.ts'
import { CountSchema, TimeSchema } from '../system/schemas.ts'

const LinkSchema = v.object({
  /** Which status was sent last; see `statusId`. */
  sent: v.nullable(v.string()),
  /** When Redis last took something from this computer, ISO 8601. */
  reached_at: v.nullable(TimeSchema),
  /** Attempts since then. */
  failures: CountSchema,
  last_failure: v.nullable(v.string()),
})

/** How this computer stands with Redis. */
export type Link = v.InferOutput<typeof LinkSchema>

export const NEVER_LINKED: Link = { sent: null, reached_at: null, failures: 0, last_failure: null }

export function readLink(paths: Paths): Link {
  return (
    readJson(paths.redis, LinkSchema, `remove it: the next poll writes it anew (rm ${paths.redis})`) ??
    NEVER_LINKED
  )
}

export function writeLink(paths: Paths, link: Link): Promise<void> {
  return writeJson(paths.redis, link)
}
