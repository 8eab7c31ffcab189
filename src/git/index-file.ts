import { existsSync, readFileSync, readlinkSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { systemErrorCode } from '../system/errors.ts'
import { lstat } from '../system/files.ts'
import { gitHash, sha256 } from '../system/hash.ts'
import { localChanges } from './local-changes.ts'
import type { Repository } from './repository.ts'

/** An index is broken where the hash at its end is wrong. */
export function indexDamage({ gitDir }: Repository): 'missing' | 'broken' | null {
  const path = join(gitDir, 'index')
  if (!existsSync(path)) return 'missing'
  const data = readFileSync(path)
  const isIntact = [40, 64].some((digits) => {
    const end = data.length - digits / 2
    const hash = data.toString('hex', end)
    return /^0+$/.test(hash) || hash === gitHash([data.subarray(0, end)], digits) // zeros: index.skipHash
  })
  return data.length > 32 && isIntact ? null : 'broken'
}

const LINK = 0o120000
const FILE = 0o100000

/**
 * Tracked files that may differ from the index (gitformat-index(5)), by sizes and times alone, without a git; null where
 * telec cannot read it.
 */
export function suspects({ gitDir, workTree }: Repository, idBytes: number): string[] | null {
  try {
    const data = readFileSync(join(gitDir, 'index'))
    const version = data.readUInt32BE(4)
    if (data.toString('latin1', 0, 4) !== 'DIRC' || version > 4) return null
    const found: string[] = []
    let at = 12
    let name = Buffer.alloc(0)
    for (let left = data.readUInt32BE(8); left > 0; left--) {
      let nameAt = at + 42 + idBytes
      const flags = data.readUInt16BE(nameAt - 2)
      const more = flags & 0x4000 ? data.readUInt16BE(nameAt) : 0
      if (flags & 0x4000) nameAt += 2
      let shared = 0 // bytes of the previous name, in version 4
      if (version === 4) {
        let byte = data.readUInt8(nameAt++)
        let cut = byte & 0x7f
        for (; byte & 0x80; cut = ((cut + 1) << 7) | (byte & 0x7f)) byte = data.readUInt8(nameAt++)
        shared = name.length - cut
      }
      const end = data.indexOf(0, nameAt)
      if (end < 0) return null
      name = Buffer.concat([name.subarray(0, shared), data.subarray(nameAt, end)])
      const mode = data.readUInt32BE(at + 24)
      const isHidden = flags & 0x8000 || more & 0x4000 // assume-unchanged, skip-worktree
      const isFile = [FILE, LINK].includes(mode & 0o170000)
      const mtimeMs = data.readUInt32BE(at + 8) * 1_000 + data.readUInt32BE(at + 12) / 1e6
      const path = name.toString()
      if (isFile && !isHidden && !hasStat(join(workTree, path), mode, data.readUInt32BE(at + 36), mtimeMs))
        found.push(path)
      at = version === 4 ? end + 1 : at + ((end - at + 8) & ~7) // padded with at least one zero
    }
    // A split index has the other entries in a second file (git-update-index(1)).
    return data.includes('link', at, 'latin1') ? null : found
  } catch (error) {
    if (error instanceof RangeError || systemErrorCode(error)) return null
    throw error
  }
}

function hasStat(file: string, mode: number, size: number, mtimeMs: number): boolean {
  const stat = lstat(file)
  if (!stat) return false
  const isSameTime = Math.abs(stat.mtimeMs - mtimeMs) < 0.001 // a float has no nanoseconds
  return modeOf(stat) === mode && stat.size % 2 ** 32 === size && isSameTime
}

/** The mode that git records for a file; 0 for what git does not track. */
function modeOf(stat: Stats): number {
  if (stat.isSymbolicLink()) return LINK
  return stat.isFile() ? FILE | (stat.mode & 0o100 ? 0o755 : 0o644) : 0
}

/** Mode and content of a file in the work tree. */
interface FileState {
  readonly path: string
  readonly mode: number
  readonly sha256: string
}

/** The files beside `known` that differ from HEAD. It asks git only where a size or a time differs, which is rare. */
export async function changedBeside(
  repository: Repository,
  known: readonly string[],
  head: string,
): Promise<FileState[]> {
  const isNew = (path: string) => !known.includes(path)
  if (suspects(repository, head.length / 2)?.some(isNew) === false) return []
  return [...(await localChanges(repository)).keys()].filter(isNew).map((path) => stateOf(repository, path))
}

/** The files that still have the recorded mode and content. */
export function unchangedSince<State extends FileState>(
  repository: Repository,
  recorded: readonly State[],
): readonly State[] {
  return recorded.filter((file) => {
    const now = stateOf(repository, file.path)
    return now.mode === file.mode && now.sha256 === file.sha256
  })
}

function stateOf({ workTree }: Repository, path: string): FileState {
  const file = join(workTree, path)
  const stat = lstat(file)
  const mode = stat ? modeOf(stat) : 0
  const content = mode === 0 ? '' : stat?.isSymbolicLink() ? readlinkSync(file) : readFileSync(file)
  return { path, mode, sha256: sha256(content) }
}
