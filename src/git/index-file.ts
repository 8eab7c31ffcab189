import { existsSync, lstatSync, readFileSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { systemErrorCode } from '../system/errors.ts'
import { gitHash } from '../system/hash.ts'
import type { Repository } from './repository.ts'

/** How an index is of no use: it is missing, or not as it was written, as its last bytes tell (a hash of the others). */
export function indexDamage({ gitDir }: Repository): 'missing' | 'broken' | null {
  const path = join(gitDir, 'index')
  if (!existsSync(path)) return 'missing'
  const data = readFileSync(path)
  const isAsWritten = [40, 64].some((digits) => {
    const end = data.length - digits / 2
    const noted = data.toString('hex', end)
    return /^0+$/.test(noted) || noted === gitHash([data.subarray(0, end)], digits) // zeros: index.skipHash
  })
  return data.length > 32 && isAsWritten ? null : 'broken'
}

const LINK = 0o120000
const FILE = 0o100000

/**
 * Tracked files that may differ from the index (gitformat-index(5)), by their sizes and times alone, without a git; null
 * where it cannot be read.
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
      let shared = 0 // bytes of the name before, in version 4
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
      if (isFile && !isHidden && !isAs(join(workTree, path), mode, data.readUInt32BE(at + 36), mtimeMs))
        found.push(path)
      at = version === 4 ? end + 1 : at + ((end - at + 8) & ~7) // padded with at least one zero
    }
    // The others are in another file where the index is split (git-update-index(1)).
    return data.includes('link', at, 'latin1') ? null : found
  } catch (error) {
    if (error instanceof RangeError || systemErrorCode(error)) return null
    throw error
  }
}

function isAs(file: string, mode: number, size: number, mtimeMs: number): boolean {
  const stat = lstatSync(file, { throwIfNoEntry: false })
  if (!stat) return false
  const isOfThatTime = Math.abs(stat.mtimeMs - mtimeMs) < 0.001 // a float has no nanoseconds
  return modeOf(stat) === mode && stat.size % 2 ** 32 === size && isOfThatTime
}

/** A file's mode as git records it; 0 for what it does not track. */
export function modeOf(stat: Stats): number {
  if (stat.isSymbolicLink()) return LINK
  return stat.isFile() ? FILE | (stat.mode & 0o100 ? 0o755 : 0o644) : 0
}
