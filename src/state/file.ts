import type * as v from 'valibot'
import type { Paths, StateFile } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { shellWord } from '../system/errors.ts'
import { readJson, remove, touch, type WriteOptions, writeInPlace, writeJson } from '../system/files.ts'

/** quiet.sh relies on these: a write makes the next poll a full one. */
const ASKED_BY_POLLS = new Set(['signal', 'updateState', 'watchState', 'pause', 'choices'])

/** Reads and writes a file of telec's home. @param hint what to do with an invalid one; FILE stands for its path. */
export function stateFile<Schema extends v.GenericSchema>(
  name: StateFile,
  schema: Schema,
  hint = 'remove it (telec writes it again): rm FILE',
) {
  return {
    /** Null where it is missing. Throws where it is invalid. */
    read: ({ [name]: path }: Paths): v.InferOutput<Schema> | null =>
      readJson(
        path,
        schema,
        hint.replaceAll('FILE', () => shellWord(path)),
      ),
    async write(paths: Paths, data: v.InferOutput<Schema>, options?: WriteOptions): Promise<void> {
      if (ASKED_BY_POLLS.has(name)) await forgetQuiet(paths)
      await writeJson(paths[name], data, options)
    },
  }
}

/** Writes the command and the answer that quiet.sh compares; see watch/quiet.ts. */
export async function writeQuiet({ world, paths }: Service, text: string): Promise<void> {
  writeInPlace(paths.quiet, text)
  await touch(paths.quiet, world.now() + 1) // must be later than the folder, whose time tells of a replaced file
}

/** Makes the next poll a full one. */
export function forgetQuiet(paths: Paths): Promise<void> {
  return remove(paths.quiet, { folder: 'synced later' }) // quiet.sh ignores a file that is older than the others
}
