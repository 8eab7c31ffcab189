import { join } from 'node:path'
import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { lstat } from '../system/files.ts'
import { stateFile } from './file.ts'

/** telec uninstall removes these paths, from any folder. */
const AbsoluteSchema = v.pipe(v.string(), v.startsWith('/', 'an absolute path'))

const InstalledSchema = v.object({
  manager: v.picklist(['systemd', 'launchd']),
  scope: v.picklist(['user', 'system']),
  /** Those outside telec's home. */
  files: v.array(AbsoluteSchema),
  /** Those that telec created for them. */
  folders: v.optional(v.array(AbsoluteSchema), []),
})

/** The files that `telec install` wrote, which telec finds here even after the configuration has changed. */
export type Installed = v.InferOutput<typeof InstalledSchema>

const { read, write } = stateFile(
  'installed',
  InstalledSchema,
  'move it away and install again: mv FILE FILE.broken; telec install',
)

export function readInstalled(paths: Paths): Installed | null {
  return read(paths) ?? readOld(paths)
}

export function writeInstalled(paths: Paths, installed: Installed): Promise<void> {
  return write(paths, installed, { mode: paths.scope === 'system' ? 0o644 : 0o600 }) // the owner of a checkout reads it
}

/** telec 0.1 kept it in the home, which belonged to root then; from another user's home telec takes no paths to remove. */
function readOld(paths: Paths): Installed | null {
  const path = join(paths.home, 'installed.json')
  const isOld = path !== paths.installed && lstat(paths.home)?.uid === 0
  return isOld ? read({ ...paths, installed: path }) : null
}
