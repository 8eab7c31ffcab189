import * as fs from 'node:fs'
import { join } from 'node:path'
import { systemErrorCode } from '../system/errors.ts'
import { gitHash } from '../system/hash.ts'
import { notAllowed } from './causes.ts'
import { git, printsBeginningOf, tryGit } from './git.ts'
import type { Repository } from './repository.ts'

// The differences of commits from each other, from the index and from the disk.

export const LINK = '120000'
export const SUBMODULE = '160000'

/** git's mode (`100644`, `120000` for a link, `160000` for a submodule) and object of a path in a tree. */
export interface TreeEntry {
  readonly mode: string
  readonly id: string
}

/** The entries of a commit by their paths; `paths`: pathspecs, all for none. */
export async function entriesOf(
  repository: Repository,
  commit: string,
  paths: readonly string[],
): Promise<Map<string, TreeEntry>> {
  const output = await git(repository, ['ls-tree', '-r', '-z', '--full-tree', commit, '--', ...paths])
  const entries = output.matchAll(/(\d+) \w+ (\w+)\t([^\0]*)\0/g)
  return new Map([...entries].map(([, mode = '', id = '', path = '']) => [path, { mode, id }]))
}

/** A path that differs between two commits; null: the commit has nothing there. */
export interface Change {
  readonly path: string
  readonly before: TreeEntry | null
  readonly after: TreeEntry | null
}

/** The paths that differ between the trees of two commits. */
export function changesBetween(repository: Repository, from: string, to: string): Promise<Change[]> {
  return changesOf(repository, ['diff-tree', '-r', from, to])
}

/** The index differs from the commit before a change: it has the new commit's entry, or something that a user staged. */
export type Staged = 'after' | 'other'

/** The changed paths whose index entry is not that of the commit before. */
export async function stagedOver(
  repository: Repository,
  before: string,
  changes: readonly Change[],
): Promise<Map<string, Staged>> {
  const after = new Map(changes.map((change) => [change.path, change.after?.id]))
  const staged = await changesOf(repository, ['diff-index', '--cached', before])
  const found = staged.filter(({ path }) => after.has(path))
  return new Map(found.map((one) => [one.path, after.get(one.path) === one.after?.id ? 'after' : 'other']))
}

/** Parses git-diff(1), RAW OUTPUT FORMAT. */
async function changesOf(repository: Repository, [command = '', ...args]: string[]): Promise<Change[]> {
  const format = ['--raw', '-z', '--no-abbrev', '--no-renames', '--ignore-submodules=none']
  const output = await git(repository, [command, ...format, ...args])
  const records = output.split('\0')
  const entry = (mode = '', id = '') => (mode === '000000' ? null : { mode, id })
  const changes: Change[] = []
  for (let at = 0; at + 1 < records.length; at += 2) {
    const [, modes = '', mode, before, after] = /^:(\d+) (\d+) (\w+) (\w+) /.exec(records[at] ?? '') ?? []
    changes.push({ path: records[at + 1] ?? '', before: entry(modes, before), after: entry(mode, after) })
  }
  return changes
}

/**
 * The content on the disk at a path that two commits differ in. `half`: the beginning of the new file, by a git that was
 * stopped; `other`: of neither commit, and so the work of a user or of the service.
 */
export type DiskState = 'nothing' | 'before' | 'after' | 'half' | 'other'

/** Bytes per read. */
const CHUNK = 64 * 1024

/** Compares the bytes alone: the index may be wrong about files. */
export async function diskStates(
  repository: Repository,
  changes: readonly Change[],
): Promise<Map<string, DiskState>> {
  const found = new Map<string, DiskState>()
  const unknown: Change[] = []
  for (const change of changes) {
    const file = join(repository.workTree, change.path)
    const state = unfilteredState(repository, file, change)
    if (state === null) unknown.push(change)
    else found.set(change.path, state)
  }
  const filtered = await filteredIds(repository, unknown)
  for (const [index, change] of unknown.entries()) {
    const { path, before, after } = change
    const id = filtered[index]
    if (id !== undefined && id === after?.id) found.set(path, 'after')
    else if (id !== undefined && id === before?.id) found.set(path, 'before')
    else found.set(path, (await isBeginning(repository, change)) ? 'half' : 'other')
  }
  return found
}

/** The state by a file's bytes as they are; null where a filter (line endings, large files) may apply. */
function unfilteredState(repository: Repository, file: string, { before, after }: Change): DiskState | null {
  try {
    const stat = fs.lstatSync(file)
    if (before?.mode === SUBMODULE || after?.mode === SUBMODULE) return 'before' // another repository
    if (stat.isDirectory()) return 'nothing' // files in it have paths of their own
    const isLink = stat.isSymbolicLink()
    if (!stat.isFile() && !isLink) return 'other'
    const mode = isLink ? LINK : stat.mode & 0o100 ? '100755' : '100644'
    const is = (entry: TreeEntry | null) =>
      entry?.mode === mode && gitHash(blobOf(file, stat.size, isLink), entry.id.length) === entry.id
    if (is(after)) return 'after'
    if (is(before)) return 'before'
    return isLink ? 'other' : null
  } catch (error) {
    const code = systemErrorCode(error) ?? ''
    if (['ENOENT', 'ENOTDIR'].includes(code)) return 'nothing' // ENOTDIR: a file is in the place of its folder
    throw code === 'EACCES' ? notAllowed(repository, [file]) : error
  }
}

/** The bytes that git hashes to name a blob. */
function* blobOf(file: string, size: number, isLink: boolean): Generator<string | Buffer> {
  yield `blob ${size}\0`
  yield* isLink ? [fs.readlinkSync(file)] : chunksOf(file)
}

/** A file's bytes; each chunk is valid until the next one. A link put there meanwhile is not followed. */
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

/** The ids of these files after git's filters; none where git cannot tell. */
async function filteredIds(repository: Repository, changes: readonly Change[]): Promise<string[]> {
  const paths = changes.map(({ path }) => path)
  if (paths.length === 0 || paths.some((path) => path.includes('\n'))) return []
  const input = paths.map((path) => `${path}\n`).join('')
  const result = await tryGit(repository, ['hash-object', '--stdin-paths'], { input })
  return result.code === 0 ? result.stdout.split('\n').filter(Boolean) : []
}

/** Whether a file is an interrupted write of the new content: its beginning, then perhaps zeros. */
async function isBeginning(repository: Repository, { path, after }: Change): Promise<boolean> {
  if (after === null) return false
  const file = join(repository.workTree, path)
  const size = lengthWithoutZeros(file)
  const print = ['cat-file', '--filters', `--path=${path}`, after.id]
  return size === 0 || printsBeginningOf(repository, print, file, size)
}

/** The length of a file without the zeros at its end. */
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
