import { appendFileSync, fdatasyncSync, truncateSync } from 'node:fs'
import { dirname } from 'node:path'
import * as v from 'valibot'
import { VersionSchema } from '../channel/target.ts'
import type { Paths } from '../config/paths.ts'
import { TelecError } from '../system/errors.ts'
import { readJson, readText, remove, syncFolder, withOpen, writeFailure, writeJson } from '../system/files.ts'
import { NumberSchema } from '../system/schemas.ts'

/** The version of migration_state.json that this telec writes; a file without the key is of version 1. */
const SCHEMA = 1

const DetailSchema = v.object({
  /** When it was recorded, ISO 8601. */
  at: v.string(),
  /** Its duration; null where the user marked it. */
  ms: v.nullable(NumberSchema),
  how: v.picklist(['run', 'satisfied', 'marked']),
  /** The version of telec that recorded it. */
  telec: v.string(),
  /** SHA-256 of the script, in hex; null where it was missing. */
  sha256: v.nullable(v.string()),
})

const EntrySchema = v.object({
  id: v.string(),
  /** The id of the computer's boot; null where it is unknown. */
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

export interface MigrationRecord {
  /** In the order in which they ran; null where the file has only the id. */
  readonly applied: ReadonlyMap<string, Detail | null>
  /** The version at which telec was set up, or null for none; undefined: not recorded yet. */
  readonly baseline: string | null | undefined
  /** Recorded by a run that was killed, with the id of its boot. */
  readonly unsettled: ReadonlyMap<string, string | null>
  /** Foreign keys of the file, which telec keeps. */
  readonly more: Readonly<Record<string, unknown>>
}

const HINT = 'restore it from a backup; without it telec cannot know which migrations ran here'

/** Includes the records of a killed run; empty on a new computer. */
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

export function lastRecorded({ applied }: MigrationRecord): string | null {
  return [...applied.keys()].at(-1) ?? null
}

/** The ids that were recorded after `last`; all of them where the user has removed `last` from the record. */
export function recordedSince({ applied }: MigrationRecord, last: string | null): string[] {
  const ids = [...applied.keys()]
  return ids.slice(last === null ? 0 : ids.indexOf(last) + 1)
}

/** Writes the record to the file, and removes the journal, which the record includes. */
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
 * Records migrations one by one, each as a synced line in a journal, whose cost does not grow with the record; `close`
 * writes the file. Keeps the lines of a killed run, which stay `unsettled`. Only for the holder of telec's lock.
 */
export async function openRecorder(paths: Paths, record: MigrationRecord) {
  const journal = paths.migrationJournal
  const before = readText(journal)
  if (before !== null) truncateSync(journal, Buffer.byteLength(before.slice(0, before.lastIndexOf('\n') + 1)))
  let hasJournal = before !== null
  const applied = new Map(record.applied)
  return {
    /** Records one; durable when it returns. */
    add({ id, boot, ...detail }: Entry): void {
      try {
        withOpen(journal, 'a', (fd) => {
          appendFileSync(fd, `${JSON.stringify({ id, boot, ...detail })}\n`)
          fdatasyncSync(fd)
        })
        if (!hasJournal) syncFolder(dirname(journal))
        hasJournal = true
      } catch (error) {
        throw writeFailure(journal, error)
      }
      applied.set(id, detail)
    },
    async close(): Promise<void> {
      if (hasJournal) await writeMigrationRecord(paths, { ...record, applied })
    },
  }
}

/** The last line may be incomplete: a kill came before that migration was recorded. */
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
