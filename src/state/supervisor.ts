import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { readJson, writeJson } from '../system/files.ts'
import { CountSchema, NumberSchema, PidSchema } from '../system/schemas.ts'

const RecordSchema = v.object({
  /** The pid of `telec run`. */
  supervisor: PidSchema,
  main: v.nullable(v.object({ pid: PidSchema, started_ms: NumberSchema })),
  starts: CountSchema,
  last_exit: v.nullable(v.string()),
})

/** What `telec run` says of the service that it supervises; true only while its lock is held. */
export type SupervisorRecord = v.InferOutput<typeof RecordSchema>

export function writeSupervisorRecord(paths: Paths, record: SupervisorRecord): Promise<void> {
  return writeJson(paths.supervisor, record)
}

export function readSupervisorRecord(paths: Paths): SupervisorRecord | null {
  return readJson(
    paths.supervisor,
    RecordSchema,
    `remove it and start telec run again (rm ${paths.supervisor})`,
  )
}
