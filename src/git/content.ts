import * as fs from 'node:fs'
import { join } from 'node:path'
import { systemErrorCode } from '../system/errors.ts'
import { blobId } from '../system/hash.ts'
import type { Change, TreeEntry } from './changes.ts'
import { git, tryGit } from './git.ts'
import { removeFiles } from './leftovers.ts'
import type { Repository } from './repository.ts'

/**
 * What the disk has where two commits differ. `half`: the beginning of what a git that was stopped was to write there;
 * `theirs`: anything that is in neither commit, and so is somebody's.
 */
export type Standing = 'nothing' | 'before' | 'after' | 'half' | 'theirs'

const LINK = '120000'
export const SUBMODULE = '160000'
/** Of what is larger nothing is compared but its hash, by git. */
const MOST_BYTES = 64 * 1024 * 1024

/** Looks at the bytes alone: not at the index, nor at what it believes of the files. */
export async function standings(
  repository: Repository,
  changes: readonly Change[],
): Promise<Map<string, Standing>> {
  const found = new Map<string, Standing>()
  const unknown: Change[] = []
  for (const change of changes) {
    const standing = plainStanding(join(repository.workTree, change.path), change)
    if (standing === null) unknown.push(change)
    else found.set(change.path, standing)
  }
  const filtered = await filteredIds(repository, unknown)
  for (const [index, change] of unknown.entries()) {
    const { path, before, after } = change
    const id = filtered[index]
    if (id !== undefined && id === after?.id) found.set(path, 'after')
    else if (id !== undefined && id === before?.id) found.set(path, 'before')
    else found.set(path, (await isBeginning(repository, change)) ? 'half' : 'theirs')
  }
  return found
}

/** What its bytes say as they are; null where a filter (line endings, large files) or git's help may say more. */
function plainStanding(file: string, { before, after }: Change): Standing | null {
  const stat = lookAt(file)
  if (!stat) return 'nothing'
  if (before?.mode === SUBMODULE || after?.mode === SUBMODULE) return 'before' // its files are its own
  if (stat.isDirectory()) return after ? 'theirs' : 'nothing'
  if (!stat.isFile() && !stat.isSymbolicLink()) return 'theirs'
  if (stat.isFile() && stat.size > MOST_BYTES) return null
  const bytes = stat.isSymbolicLink() ? Buffer.from(fs.readlinkSync(file)) : readHere(file)
  const is = (entry: TreeEntry | null) =>
    entry !== null &&
    stat.isSymbolicLink() === (entry.mode === LINK) &&
    (!stat.isFile() || Boolean(stat.mode & 0o100) === (entry.mode === '100755')) &&
    blobId(bytes, entry.id.length) === entry.id
  if (is(after)) return 'after'
  if (is(before)) return 'before'
  return stat.isSymbolicLink() ? 'theirs' : null
}

/** Null, too, where a file is in the place of its folder. */
function lookAt(file: string): fs.Stats | null {
  try {
    return fs.lstatSync(file)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return null
    throw error
  }
}

/** Not through a link that somebody has just put there. */
function readHere(file: string): Buffer {
  const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK)
  try {
    return fs.readFileSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** What the objects of these files would be named, if git took them in by its filters; none where it cannot. */
async function filteredIds(repository: Repository, changes: readonly Change[]): Promise<string[]> {
  const paths = changes.filter(({ path }) => !path.includes('\n')).map(({ path }) => path)
  if (paths.length === 0 || paths.length < changes.length) return []
  const result = await tryGit(repository, ['hash-object', '--stdin-paths'], {
    input: paths.map((path) => `${path}\n`).join(''),
  })
  return result.code === 0 ? result.stdout.split('\n').filter(Boolean) : []
}

/** Whether it is what a write of the new content had come to when it was cut: its beginning, or zeros from there on. */
async function isBeginning(repository: Repository, { path, after }: Change): Promise<boolean> {
  const file = join(repository.workTree, path)
  const size = fs.lstatSync(file).size
  if (after === null || size > MOST_BYTES) return false
  const bytes = readHere(file)
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end -= 1
  if (end === 0) return true
  const name = (await git(repository, ['unpack-file', after.id])).trim() // into a file: what telec reads of git is text
  const copy = join(repository.workTree, name)
  try {
    return readHere(copy).subarray(0, end).equals(bytes.subarray(0, end))
  } finally {
    await removeFiles(repository, [copy])
  }
}
