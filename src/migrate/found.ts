import { type Dirent, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LINK } from '../git/content.ts'
import type { Committed } from '../git/tree.ts'
import * as errors from '../system/errors.ts'
import { mayAccess } from '../system/files.ts'
import { type Found, languageOf } from './discover.ts'

/** The entries on the disk, also those that git does not know. */
export function foundOnDisk(folder: string): Found[] {
  return list(folder).flatMap((version): Found[] => {
    const kind = kindOf(folder, version)
    const files = kind === 'folder' ? list(join(folder, version.name)) : []
    const below = files.map((file) => ({
      name: `${version.name}/${file.name}`,
      kind: kindOf(join(folder, version.name), file),
    }))
    return [{ name: version.name, kind }, ...below]
  })
}

/** The entries in a commit, by its trees. */
export function foundIn({ files, prefix, repository }: Committed): Found[] {
  const all = new Map<string, Found>()
  for (const [path, { mode }] of files) {
    const [version = '', file, ...deeper] = path.slice(prefix.length).split('/')
    all.set(version, { name: version, kind: file === undefined ? 'file' : 'folder' })
    if (file === undefined) continue
    const kind = deeper.length > 0 ? 'folder' : mode === LINK ? kindAt(join(repository.workTree, path)) : null
    const name = `${version}/${file}`
    all.set(name, { name, kind: kind ?? (mode === '100755' ? 'executable' : 'file') })
  }
  return [...all.values()]
}

function kindAt(path: string): Found['kind'] {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return 'folder'
  return mayAccess(path, 'run') ? 'executable' : 'file'
}

function kindOf(folder: string, entry: Dirent): Found['kind'] {
  if (entry.isDirectory()) return 'folder'
  return entry.isFile() && languageOf(entry.name) ? 'file' : kindAt(join(folder, entry.name))
}

function list(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    const code = errors.systemErrorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw new errors.TelecError(errors.kindOf(error), `cannot list ${folder}`, {
      because: (error as Error).message,
      hint: `check who owns it and its mode: ls -ld ${folder}`,
      cause: error,
    })
  }
}
