import * as v from 'valibot'
import { stateFile } from './file.ts'

const PositionSchema = v.object({
  /** The id of the last announcement that was read. */
  last_id: v.pipe(v.string(), v.regex(/^\d{1,20}-\d{1,20}$/)),
})

/** How far the announcements were read. */
export const { read: readPosition, write: writePosition } = stateFile(
  'listen',
  PositionSchema,
  'remove it: rm FILE',
)
