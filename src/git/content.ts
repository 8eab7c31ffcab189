import * as fs from 'node:fs'
import { join } from 'node:path'
import { systemErrorCode } from '../system/errors.ts'
import { gitHash } from '../system/hash.ts'
import { notAllowed } from './causes.ts'
import type { Change, TreeEntry } from './changes.ts'
import { printsBeginningOf, tryGit } from './git.ts'
import type { Repository } from './repository.ts'

/**
 * What the disk has where two commits differ. `half`: the beginning of what a git that was stopped was to write there;
 * `theirs`: anything that is in neither commit, and so is somebody's.
 */
export type Standing = 'nothing' | 'before' | 'after' | 'half' | 'theirs'

export const LINK = '120000'
export const SUBMODULE = '160000'
/** Bytes that are looked at at once. */
const CHUNK = 64 * 1024

/** Looks at the bytes alone: not at the index, nor at what it believes of the files. */
export async function standings(
  repository: Repository,
  changes: readonly Change[],
): Promise<Map<string, Standing>> {
  const found = new Map<string, Standing>()
  const unknown: Change[] = []
  for (const change of changes) {
    const standing = plainStandingIn(repository, change)
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

function plainStandingIn(repository: Repository, change: Change): Standing | null {
  const file = join(repository.workTree, change.path)
  try {
    return plainStanding(file, change)
  } catch (error) {
    throw systemErrorCode(error) === 'EACCES' ? notAllowed(repository, [file]) : error
  }
}

/** What its bytes say as they are; null where a filter (line endings, large files) or git's help may say more. */
function plainStanding(file: string, { before, after }: Change): Standing | null {
  const stat = lookAt(file)
  if (!stat) return 'nothing'
  if (before?.mode === SUBMODULE || after?.mode === SUBMODULE) return 'before' // its files are its own
  if (stat.isDirectory()) return 'nothing' // what is below it is looked at by itself
  const isLink = stat.isSymbolicLink()
  if (!stat.isFile() && !isLink) return 'theirs'
  const mode = isLink ? LINK : stat.mode & 0o100 ? '100755' : '100644'
  const is = (entry: TreeEntry | null) =>
    entry?.mode === mode && gitHash(blobOf(file, stat.size, isLink), entry.id.length) === entry.id
  if (is(after)) return 'after'
  if (is(before)) return 'before'
  return isLink ? 'theirs' : null
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

/** What git takes the name of a blob of. */
function* blobOf(file: string, size: number, isLink: boolean): Generator<string | Buffer> {
  yield `blob ${size}\0`
  yield* isLink ? [fs.readlinkSync(file)] : chunksOf(file)
}

/** A file's bytes in their order, each good until the next; not through a link that somebody has just put there. */
function* chunksOf(file: string): Generator<Buffer> {
  const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK)
  const chunk = Buffer.alloc(CHUNK)
  try {
    for (;;) {
      const size = fs.readSync(fd, chunk)
      if (size === 0) return
      yield chunk.subarray(0, size)
    }
  } finally {
    fs.closeSync(fd)
  }
}

/** What the objects of these files would be named, if git took them in by its filters; none where it cannot. */
async function filteredIds(repository: Repository, changes: readonly Change[]): Promise<string[]> {
  const paths = changes.map(({ path }) => path)
  if (paths.length === 0 || paths.some((path) => path.includes('\n'))) return []
  const input = paths.map((path) => `${path}\n`).join('')
  const result = await tryGit(repository, ['hash-object', '--stdin-paths'], { input })
  return result.code === 0 ? result.stdout.split('\n').filter(Boolean) : []
}

/** Whether it is what a write of the new content had come to when it was cut: its beginning, or zeros from there on. */
async function isBeginning(repository: Repository, { path, after }: Change): Promise<boolean> {
  if (after === null) return false
  const file = join(repository.workTree, path)
  const size = lengthWithoutZeros(file)
  return (
    size === 0 ||
    printsBeginningOf(repository, ['cat-file', '--filters', `--path=${path}`, after.id], file, size)
  )
}

/** How long a file is without the zeros at its end. */
function lengthWithoutZeros(file: string): number {
  let size = 0
  let length = 0
  for (const chunk of chunksOf(file)) {
    const last = chunk.findLastIndex((byte) => byte !== 0)
    if (last !== -1) length = size + last + 1
    size += chunk.length
  }
  return length
}
