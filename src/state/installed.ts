import * as v from 'valibot'
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

export const { read: readInstalled, write: writeInstalled } = stateFile(
  'installed',
  InstalledSchema,
  'move it away and install again: mv FILE FILE.broken; telec install',
)
