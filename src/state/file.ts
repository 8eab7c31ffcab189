import type * as v from 'valibot'
import type { Paths, StateFile } from '../config/paths.ts'
import { readJson, type WriteOptions, writeJson } from '../system/files.ts'
import { forgetQuiet } from './quiet.ts'

/** A quiet poll takes them for granted: to write one has the next poll be a whole one. */
const ASKED_BY_POLLS = new Set(['signal', 'updateState', 'watchState', 'pause', 'choices'])

/**
 * How a file of telec's home is read, and written anew as a whole.
 *
 * @param hint what to do with one that cannot be understood; FILE stands for its path.
 */
export function stateFile<Schema extends v.GenericSchema>(
  name: StateFile,
  schema: Schema,
  hint = 'remove it: telec writes it anew (rm FILE)',
) {
  return {
    /** Null where there is none. Throws where it cannot be understood. */
    read: ({ [name]: path }: Paths): v.InferOutput<Schema> | null =>
      readJson(
        path,
        schema,
        hint.replaceAll('FILE', () => path),
      ),
    async write(paths: Paths, data: v.InferOutput<Schema>, options?: WriteOptions): Promise<void> {
      if (ASKED_BY_POLLS.has(name)) await forgetQuiet(paths)
      await writeJson(paths[name], data, options)
    },
  }
}
