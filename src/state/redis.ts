import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { readJson, writeJson } from '../system/files.ts'
import { CountSchema, TimeSchema } from '../system/schemas.ts'

const RedisStateSchema = v.object({
  /** Which status was sent last; see `statusId`. */
  sent: v.nullable(v.string()),
  /** When Redis last took something from this computer, ISO 8601. */
  reached_at: v.nullable(TimeSchema),
  /** Attempts since then. */
  failures: CountSchema,
  last_failure: v.nullable(v.string()),
})

/** How this computer stands with Redis. */
export type RedisState = v.InferOutput<typeof RedisStateSchema>

export const NO_REDIS_YET: RedisState = { sent: null, reached_at: null, failures: 0, last_failure: null }

export function readRedisState(paths: Paths): RedisState {
  return (
    readJson(paths.redis, RedisStateSchema, `remove it: the next poll writes it anew (rm ${paths.redis})`) ??
    NO_REDIS_YET
  )
}

export function writeRedisState(paths: Paths, link: RedisState): Promise<void> {
  return writeJson(paths.redis, link)
}
