import { lstatSync, readFileSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { systemErrorCode } from '../system/errors.ts'
import { gitHash } from '../system/hash.ts'
import type { Repository } from './repository.ts'

/** A file as git's index has it (gitformat-index(5)). */
export interface IndexEntry {
  readonly path: string
  readonly mode: number
  readonly blob: string
  /** 0; another one is a side of a conflict. */
  readonly stage: number
  readonly size: number
  readonly mtimeMs: number
  /** git shows no change of it: `git update-index --assume-unchanged` or `--skip-worktree`. */
  readonly isHidden: boolean
}

const LINK = 0o120000
const FILE = 0o100000
const TYPE = 0o170000

/** The files of an index, as far as it can be read; `isWhole`: to its end. An index that is missing has none. */
export function readIndex(path: string, idBytes: number): { entries: IndexEntry[]; isWhole: boolean } {
  const entries: IndexEntry[] = []
  try {
    const data = readFileSync(path)
    const version = data.readUInt32BE(4)
    const count = data.readUInt32BE(8)
    if (data.toString('latin1', 0, 4) !== 'DIRC' || version < 2 || version > 4)
      return { entries, isWhole: false }
    let at = 12
    let name = ''
    while (entries.length < count) {
      const flagsAt = at + 40 + idBytes
      const flags = data.readUInt16BE(flagsAt)
      const isExtended = (flags & 0x4000) !== 0
      let nameAt = flagsAt + (isExtended ? 4 : 2)
      if (version === 4) {
        const cut = readVarint(data, nameAt)
        name = name.slice(0, name.length - cut.value)
        nameAt = cut.next
      } else name = ''
      const end = data.indexOf(0, nameAt)
      name += data.toString('latin1', nameAt, end)
      const mode = data.readUInt32BE(at + 24)
      if (end < 0 || name === '' || ![FILE, LINK, 0o160000, 0o040000].includes(mode & TYPE))
        return { entries, isWhole: false }
      entries.push({
        path: Buffer.from(name, 'latin1').toString(),
        mode,
        blob: data.toString('hex', at + 40, flagsAt),
        stage: (flags >> 12) & 3,
        size: data.readUInt32BE(at + 36),
        mtimeMs: data.readUInt32BE(at + 8) * 1_000 + data.readUInt32BE(at + 12) / 1e6,
        isHidden: (flags & 0x8000) !== 0 || (isExtended && (data.readUInt16BE(flagsAt + 2) & 0x4000) !== 0),
      })
      at = version === 4 ? end + 1 : at + ((end - at + 8) & ~7) // padded with at least one zero
    }
    return { entries, isWhole: true }
  } catch (error) {
    if (error instanceof RangeError || systemErrorCode(error)) return { entries, isWhole: false }
    throw error
  }
}

/** An offset as git writes them: each byte but the last has its highest bit set, and counts one more. */
function readVarint(data: Buffer, start: number): { value: number; next: number } {
  let next = start
  let byte = data.readUInt8(next++)
  let value = byte & 0x7f
  while (byte & 0x80) {
    byte = data.readUInt8(next++)
    value = ((value + 1) << 7) | (byte & 0x7f)
  }
  return { value, next }
}

/** Whether an index is as it was written: its last bytes are a hash of all others, or zeros (index.skipHash). */
export function isAsWritten(path: string, idBytes: number): boolean {
  const data = readFileSync(path)
  const noted = data.toString('hex', data.length - idBytes)
  return /^0+$/.test(noted) || noted === gitHash(data.subarray(0, -idBytes), idBytes)
}

export function indexPath({ gitDir }: Repository): string {
  return join(gitDir, 'index')
}

/** Tracked files that may differ from the index, by their sizes and times alone; null where it cannot be read. */
export function suspects(repository: Repository, idBytes: number): string[] | null {
  const { entries, isWhole } = readIndex(indexPath(repository), idBytes)
  if (!isWhole) return null
  const files = entries.filter(({ isHidden, mode }) => !isHidden && [FILE, LINK].includes(mode & TYPE))
  return files.flatMap((entry) => (isAsNoted(repository.workTree, entry) ? [] : [entry.path]))
}

function isAsNoted(workTree: string, { path, mode, size, mtimeMs }: IndexEntry): boolean {
  const stat = lstatSync(join(workTree, path), { throwIfNoEntry: false })
  if (!stat) return false
  const isOfThatTime = Math.abs(stat.mtimeMs - mtimeMs) < 0.001 // a float has no nanoseconds
  return modeOf(stat) === mode && stat.size % 2 ** 32 === size && isOfThatTime
}

/** A file's mode as git records it; 0 for what it does not track. */
export function modeOf(stat: Stats): number {
  if (stat.isSymbolicLink()) return LINK
  return stat.isFile() ? FILE | (stat.mode & 0o100 ? 0o755 : 0o644) : 0
}
