// The key `poll` of telec's configuration became `poll_every`. An example that is real: `telec-migrate verify` proves it.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'

const config = `${process.env.TELEC_HOME}/config.yml`

/** The key at the start of an indented line; what stands behind it, comments included, stays as it is. */
const OLD_KEY = /^(\s+)poll:/m

/** true: there is nothing to do (any more). A computer without the file has nothing to rename. */
export function check(): boolean {
  return !existsSync(config) || !OLD_KEY.test(readFileSync(config, 'utf8'))
}

/** true: done. Writes beside the file and renames, so that a kill leaves the old text or the new one. */
export function migrate(): boolean {
  const text = readFileSync(config, 'utf8').replace(OLD_KEY, '$1poll_every:')
  writeFileSync(`${config}.migrated`, text, { mode: 0o600 })
  renameSync(`${config}.migrated`, config)
  return true
}
