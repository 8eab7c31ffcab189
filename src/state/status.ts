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
  /** What the service runs; `version` and `commit` are what it is on the way to, where the status is not `updated`. */
  runs: v.optional(v.nullable(v.object({ version: v.nullable(v.string()), commit: v.string() })), null),
  /** What the commits of the update are about, once it has ended or halted and where somebody is told of it. */
  commits: v.optional(v.nullable(v.object({ subjects: v.array(v.string()), more: CountSchema })), null),
  /** Why polls take nothing although they reach the remote; null: they do, or nothing is new. */
  problem: v.optional(v.nullable(v.string()), null),
  /** A person pinned it to a version. */
  pinned: v.optional(v.boolean(), false),
})

/** What other tools read: the last status of this computer. */
export type StatusRecord = v.InferOutput<typeof StatusSchema>
export type Status = StatusRecord['status']

/** The status of a computer that was set up and never updated since. */
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

/** Where a status goes beside the file. What fails there never fails an update, nor holds it up. */
export interface StatusSink {
  publish(record: StatusRecord): void
  /** Waits a little for what is still on its way. */
  close(): Promise<void>
}
