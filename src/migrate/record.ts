import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { readJson, writeJson } from '../system/files.ts'

const MigrationStateSchema = v.looseObject({
  applied: v.array(v.string()),
  baseline: v.optional(v.nullable(v.string())),
})

/** What has been applied on this computer. A file that holds `applied` alone is valid; other keys are kept. */
export type MigrationState = v.InferOutput<typeof MigrationStateSchema>

/** Null when nothing was recorded yet. */
export function readMigrationState(paths: Paths): MigrationState | null {
  return readJson(
    paths.migrationState,
    MigrationStateSchema,
    `restore it from a backup; without it telec cannot know which migrations ran here`,
  )
}

export function writeMigrationState(paths: Paths, state: MigrationState): Promise<void> {
  return writeJson(paths.migrationState, state)
}
