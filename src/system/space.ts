import { statfsSync } from 'node:fs'
import { shellWord, TelecError } from './errors.ts'

/** With less, git or the install command would fill the disk half-way; a fetch leaves this much free. */
export const LEAST_FREE = { bytes: 64 * 2 ** 20, files: 1_000 }

/** Free bytes on the disk of `folder`. Throws `later` where an update needs more. */
export function verifyFree(folder: string): number {
  const { bytes, files } = freeSpace(folder)
  if (bytes < LEAST_FREE.bytes || files < LEAST_FREE.files) throw diskFull(folder)
  return bytes
}

/** The error for a full disk, with figures. @param said the message of the program that failed. */
export function diskFull(
  folder: string,
  { said, ...details }: { said?: string; interrupted?: boolean } = {},
): TelecError {
  const { bytes, files } = freeSpace(folder)
  const free = `${mebibytes(bytes)}${Number.isFinite(files) ? ` and ${files} files` : ''}`
  const needed = `${mebibytes(LEAST_FREE.bytes)} and ${LEAST_FREE.files} files`
  return new TelecError('later', `the disk of ${folder} is full`, {
    because: [said ?? [], `free: ${free}; an update needs ${needed}`].flat().join('\n'),
    hint: `free some space: df -h ${shellWord(folder)}; df -i ${shellWord(folder)}`,
    ...details,
  })
}

/** Rounded down. */
export function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MiB`
}

/** Free bytes and inodes for this user on the file system of `path`: a full disk may have either left. */
export function freeSpace(path: string): { bytes: number; files: number } {
  const { bavail, bsize, files, ffree } = statfsSync(path)
  return { bytes: bavail * bsize, files: files === 0 ? Number.POSITIVE_INFINITY : ffree } // btrfs has no fixed number
}
