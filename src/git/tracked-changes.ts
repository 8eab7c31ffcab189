import { lstatSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { sha256 } from '../system/hash.ts'
import { modeOf, suspects } from './index-file.ts'
import { localChanges } from './local-changes.ts'
import type { Repository } from './repository.ts'

/** A file as it stands in the work tree. */
export interface FileState {
  readonly path: string
  readonly mode: number
  readonly sha256: string
}

/** Those beside `known` that differ from HEAD, as they stand. git is asked where sizes or times differ, which is rare. */
export async function changedBeside(
  repository: Repository,
  known: readonly string[],
  head: string,
): Promise<FileState[]> {
  const isNew = (path: string) => !known.includes(path)
  if (suspects(repository, head.length / 2)?.some(isNew) === false) return []
  return [...(await localChanges(repository)).keys()].filter(isNew).map((path) => stateOf(repository, path))
}

/** Of these those that stand as they are noted here. */
export function stillAs<State extends FileState>(
  repository: Repository,
  noted: readonly State[],
): readonly State[] {
  return noted.filter((file) => {
    const now = stateOf(repository, file.path)
    return now.mode === file.mode && now.sha256 === file.sha256
  })
}

function stateOf({ workTree }: Repository, path: string): FileState {
  const place = join(workTree, path)
  const stat = lstatSync(place, { throwIfNoEntry: false })
  const mode = stat ? modeOf(stat) : 0
  const content = mode === 0 ? '' : stat?.isSymbolicLink() ? readlinkSync(place) : readFileSync(place)
  return { path, mode, sha256: sha256(content) }
}
