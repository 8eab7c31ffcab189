import * as v from 'valibot'
import { CountSchema, NumberSchema, PidSchema } from '../system/schemas.ts'
import { stateFile } from './file.ts'

const RecordSchema = v.object({
  /** The pid of `telec run`. */
  supervisor: PidSchema,
  main: v.nullable(v.object({ pid: PidSchema, started_ms: NumberSchema })),
  starts: CountSchema,
  last_exit: v.nullable(v.string()),
})

/** What `telec run` says of the service that it supervises; true only while its lock is held. */
export type SupervisorRecord = v.InferOutput<typeof RecordSchema>

export const { read: readSupervisorRecord, write: writeSupervisorRecord } = stateFile(
  'supervisor',
  RecordSchema,
  'remove it and start telec run again (rm FILE)',
)
