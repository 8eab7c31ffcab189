import * as v from 'valibot'
import { readJson, writeJson } from '../system/files.ts'

const PositionSchema = v.object({
  /** The id of the last announcement that was read. */
  last_id: v.pipe(v.string(), v.regex(/^\d{1,20}-\d{1,20}$/)),
})

/** How far it was read; null: nothing was. */
export function readPosition(path: string): v.InferOutput<typeof PositionSchema> | null {
  return readJson(path, PositionSchema, `remove it: rm ${path}`)
}

/** @param path of a listener's own: telec's home, or the lookout's. */
export async function writePosition(path: string, lastId: string): Promise<void> {
  await writeJson(path, { last_id: lastId })
}
