import { appendFileSync, closeSync, fdatasyncSync, openSync, truncateSync } from 'node:fs'
import { dirname } from 'node:path'
import * as v from 'valibot'
import { VersionSchema } from '../channel/target.ts'
import type { Paths } from '../config/paths.ts'
import { TelecError } from '../system/errors.ts'
import { readJson, readText, remove, syncFolder, writeFailure, writeJson } from '../system/files.ts'
import { NumberSchema } from '../system/schemas.ts'

/** The shape of migration_state.json that this telec writes; a file without a number has the first one. */
const SCHEMA = 1

const DetailSchema = v.object({
  /** When it was recorded, ISO 8601. */
  at: v.string(),
  /** How long it took; null where a person marked it. */
  ms: v.nullable(NumberSchema),
  how: v.picklist(['run', 'satisfied', 'marked']),
  /** The version of telec that recorded it. */
  telec: v.string(),
  /** SHA-256 of the script, in hex; null where there was none. */
  sha256: v.nullable(v.string()),
})

const EntrySchema = v.object({
  id: v.string(),
  /** The boot in which it was recorded; null where that is not known. */
  boot: v.optional(v.nullable(v.string()), null),
  ...DetailSchema.entries,
})

const FileSchema = v.looseObject({
  schema: v.optional(v.pipe(v.number(), v.maxValue(SCHEMA, 'it was written by a newer telec than this one'))),
  applied: v.array(v.string()),
  baseline: v.optional(v.nullable(VersionSchema)),
  details: v.optional(v.record(v.string(), DetailSchema)),
})

export type Detail = v.InferOutput<typeof DetailSchema>
export type Entry = v.InferOutput<typeof EntrySchema>

/** What was applied on this computer. */
export interface MigrationRecord {
  /** In the order of their application; null for one of which no more than its id is known. */
  readonly applied: ReadonlyMap<string, Detail | null>
  /** Undefined where none was recorded yet; null: at no version. */
  readonly baseline: string | null | undefined
  /** Recorded by a run that did not end, and in which boot. */
  readonly unsettled: ReadonlyMap<string, string | null>
  /** Keys of the file that are not telec's, kept as they are. */
  readonly more: Readonly<Record<string, unknown>>
}

const HINT = 'restore it from a backup; without it telec cannot know which migrations ran here'

/** The record; an empty one where nothing was recorded yet. Includes what a run that was killed had recorded. */
export function readMigrationRecord(paths: Paths): MigrationRecord {
  const file = readJson(paths.migrationState, FileSchema, HINT)
  const { schema: _, applied = [], baseline, details = {}, ...more } = file ?? {}
  const known = new Map<string, Detail | null>(
    applied.map((id) => [id, Object.hasOwn(details, id) ? (details[id] ?? null) : null]),
  )
  const journal = readJournal(paths.migrationJournal)
  for (const { id, boot: _, ...detail } of journal) known.set(id, detail)
  return { applied: known, baseline, unsettled: new Map(journal.map(({ id, boot }) => [id, boot])), more }
}

/** The migration that was recorded last; null where none was. */
export function lastRecorded({ applied }: MigrationRecord): string | null {
  return [...applied.keys()].at(-1) ?? null
}

/**
 * What was recorded after `last`, in its order. All of it where that is not there: it was forgotten by hand since, and
 * what came after it cannot be told.
 */
export function recordedSince({ applied }: MigrationRecord, last: string | null): string[] {
  const ids = [...applied.keys()]
  return ids.slice(last === null ? 0 : ids.indexOf(last) + 1)
}

/** Replaces the file by a record, which takes in the journal. */
export async function writeMigrationRecord(paths: Paths, record: MigrationRecord): Promise<void> {
  const known = [...record.applied].filter((entry): entry is [string, Detail] => entry[1] !== null)
  await writeJson(paths.migrationState, {
    ...record.more,
    schema: SCHEMA,
    baseline: record.baseline ?? null,
    applied: [...record.applied.keys()],
    details: Object.fromEntries(known),
  })
  await remove(paths.migrationJournal)
}

/**
 * Records one migration after the other: a synced line in a journal, which does not grow dearer with what is recorded
 * already, and at the end the file anew. The journal of a run that was killed is gone on with, so that it stays known
 * which migrations that run recorded. Only for the holder of telec's lock.
 */
export async function openRecorder(paths: Paths, record: MigrationRecord) {
  const journal = paths.migrationJournal
  const before = readText(journal)
  if (before !== null) truncateSync(journal, Buffer.byteLength(before.slice(0, before.lastIndexOf('\n') + 1)))
  let isThere = before !== null
  const applied = new Map(record.applied)
  return {
    /** Records one; durable when it returns. */
    add({ id, boot, ...detail }: Entry): void {
      try {
        const fd = openSync(journal, 'a', 0o600)
        try {
          appendFileSync(fd, `${JSON.stringify({ id, boot, ...detail })}\n`)
          fdatasyncSync(fd)
        } finally {
          closeSync(fd)
        }
        if (!isThere) syncFolder(dirname(journal))
        isThere = true
      } catch (error) {
        throw writeFailure(journal, error)
      }
      applied.set(id, detail)
    },
    /** Takes the journal into the file. */
    async close(): Promise<void> {
      if (isThere) await writeMigrationRecord(paths, { ...record, applied })
    },
  }
}

/** The entries of a journal. Its last line may be cut short: that migration was not recorded before the end came. */
function readJournal(path: string): Entry[] {
  const lines = (readText(path)?.split('\n') ?? []).filter(Boolean)
  return lines.flatMap((line, index) => {
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), EntrySchema), line)
    if (parsed.success) return [parsed.output]
    if (index === lines.length - 1) return []
    throw new TelecError('halted', `${path}:${index + 1} cannot be understood; it was not changed`, {
      because: parsed.issues[0].message,
      hint: HINT,
    })
  })
}
