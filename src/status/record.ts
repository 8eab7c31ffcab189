import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { readJson, writeJson } from '../system/files.ts'

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
  timestamp: v.number(),
  channel: v.string(),
  from: v.nullable(v.string()),
  version: v.nullable(v.string()),
  commit: v.string(),
  step: v.string(),
  error: v.nullable(v.string()),
  migration: v.nullable(v.string()),
  /** Since the update began. */
  duration_ms: v.number(),
  /** The version of telec. */
  telec: v.string(),
})

/** What other tools read: the last status of this computer. */
export type StatusRecord = v.InferOutput<typeof StatusSchema>
export type Status = StatusRecord['status']

export function readStatus(paths: Paths): StatusRecord | null {
  return readJson(
    paths.status,
    StatusSchema,
    `remove it: the next update writes it anew (rm ${paths.status})`,
  )
}

export function writeStatus(paths: Paths, record: StatusRecord): Promise<void> {
  return writeJson(paths.status, record)
}
