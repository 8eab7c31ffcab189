import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { readJson, writeJson } from '../system/files.ts'
import { forgetQuiet } from './quiet.ts'

/** From elsewhere it would be another file that telec uninstall removes. */
const AbsoluteSchema = v.pipe(v.string(), v.startsWith('/', 'an absolute path'))

const InstalledSchema = v.object({
  manager: v.picklist(['systemd', 'launchd']),
  scope: v.picklist(['user', 'system']),
  /** What telec wrote outside its home, absolute. */
  files: v.array(AbsoluteSchema),
  /** The folders that it made for them. */
  folders: v.optional(v.array(AbsoluteSchema), []),
})

/** What `telec install` put into this computer, so that it can be found again once the configuration says otherwise. */
export type Installed = v.InferOutput<typeof InstalledSchema>

/** Null where nothing is installed. */
export function readInstalled(paths: Paths): Installed | null {
  return readJson(
    paths.installed,
    InstalledSchema,
    `move it away and install again: mv ${paths.installed} ${paths.installed}.broken; telec install`,
  )
}

export async function writeInstalled(paths: Paths, installed: Installed): Promise<void> {
  await forgetQuiet(paths)
  await writeJson(paths.installed, installed)
}
