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

/** The service that `telec run` supervises; valid only while it holds its lock. */
export type SupervisorRecord = v.InferOutput<typeof RecordSchema>

export const { read: readSupervisorRecord, write: writeSupervisorRecord } = stateFile(
  'supervisor',
  RecordSchema,
  'remove it and start telec run again (rm FILE)',
)
