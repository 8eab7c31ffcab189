import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { readJson } from '../system/files.ts'
import { stateFile } from './file.ts'

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

const HINT = 'move it away and install again: mv FILE FILE.broken; telec install'
const { read, write } = stateFile('installed', InstalledSchema, HINT)

/** Null: nothing is installed. */
export function readInstalled(paths: Paths): Installed | null {
  return read(paths) ?? readOld(paths)
}

export function writeInstalled(paths: Paths, installed: Installed): Promise<void> {
  return write(paths, installed, { mode: paths.scope === 'system' ? 0o644 : 0o600 }) // the owner of a checkout reads it
}

/** telec 0.1 kept that of the computer in the home, which was root's then. What another user may write names nothing. */
function readOld({ home, installed }: Paths): Installed | null {
  const path = join(home, 'installed.json')
  if (path === installed || lstatSync(home, { throwIfNoEntry: false })?.uid !== 0) return null
  return readJson(
    path,
    InstalledSchema,
    HINT.replaceAll('FILE', () => path),
  )
}
