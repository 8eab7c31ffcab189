import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { CountSchema, TimeSchema } from '../system/schemas.ts'
import { stateFile } from './file.ts'

const RedisStateSchema = v.object({
  /** The id of the last status that was sent; see `statusId`. */
  sent: v.nullable(v.string()),
  /** When Redis last accepted data from this computer. */
  reached_at: v.nullable(TimeSchema),
  /** The number of failed attempts since then. */
  failures: CountSchema,
  last_failure: v.nullable(v.string()),
})

export type RedisState = v.InferOutput<typeof RedisStateSchema>

const { read, write } = stateFile('redis', RedisStateSchema)

export const readRedisState = (paths: Paths): RedisState =>
  read(paths) ?? { sent: null, reached_at: null, failures: 0, last_failure: null }
export const writeRedisState = write

const PositionSchema = v.object({
  /** The id of the last announcement that the listener read. */
  last_id: v.pipe(v.string(), v.regex(/^\d{1,20}-\d{1,20}$/)),
})

export const { read: readPosition, write: writePosition } = stateFile(
  'listen',
  PositionSchema,
  'remove it: rm FILE',
)
