import * as v from 'valibot'
import type { Target } from '../channel/target.ts'
import type { Config } from '../config/schema.ts'
import { CountSchema, NumberSchema } from '../system/schemas.ts'
import { COMMIT, VERSION } from '../system/version.ts'
import { stateFile } from './file.ts'

export const STATUSES = [
  'updating',
  'migrating',
  'installing',
  'restarting',
  'updated',
  'update_failed',
] as const

const StatusSchema = v.object({
  computer: v.string(),
  status: v.picklist(STATUSES),
  /** Seconds since 1970. */
  timestamp: NumberSchema,
  channel: v.string(),
  from: v.nullable(v.string()),
  version: v.nullable(v.string()),
  commit: v.string(),
  step: v.string(),
  error: v.nullable(v.string()),
  migration: v.nullable(v.string()),
  /** Since the update began. */
  duration_ms: NumberSchema,
  /** The version of telec, and the commit that it was built from. */
  telec: v.string(),
  telec_commit: v.optional(v.string(), 'unknown'),
  /** The version that the service runs; during and after a failed update `version` and `commit` are its target. */
  runs: v.optional(v.nullable(v.object({ version: v.nullable(v.string()), commit: v.string() })), null),
  /** The subjects of the update's commits, once it is done or halted, for Redis and `on_status`. */
  commits: v.optional(v.nullable(v.object({ subjects: v.array(v.string()), more: CountSchema })), null),
  /** Why polls reach the remote and take no version; null: no problem. */
  problem: v.optional(v.nullable(v.string()), null),
  pinned: v.optional(v.boolean(), false),
})

/** The last status of this computer, which other tools read. */
export type StatusRecord = v.InferOutput<typeof StatusSchema>
export type Status = StatusRecord['status']

/** The status of a computer before its first update. */
export function statusOfDeployed(
  { computer, deployment }: Config,
  { version, commit, at }: Target & { readonly at: string },
): StatusRecord {
  return {
    computer,
    status: 'updated',
    timestamp: Math.floor(Date.parse(at) / 1000),
    channel: deployment.channel,
    from: null,
    version,
    commit,
    step: 'done',
    error: null,
    migration: null,
    duration_ms: 0,
    telec: VERSION,
    telec_commit: COMMIT,
    runs: { version, commit },
    commits: null,
    problem: null,
    pinned: false,
  }
}

export const { read: readStatus, write: writeStatus } = stateFile('status', StatusSchema)

/** Another place for a status than the file. Its failures neither fail nor delay an update. */
export interface StatusSink {
  publish(record: StatusRecord): void
  /** Waits a short time for the last ones to arrive. */
  close(): Promise<void>
}
