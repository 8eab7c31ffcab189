import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { CountSchema, TimeSchema } from '../system/schemas.ts'
import { stateFile } from './file.ts'

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

const { read, write } = stateFile('redis', RedisStateSchema)

export const readRedisState = (paths: Paths): RedisState => read(paths) ?? NO_REDIS_YET
export const writeRedisState = write
