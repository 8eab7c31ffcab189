import { statfsSync } from 'node:fs'
import { TelecError } from './errors.ts'

/** With less, git or the install would run full half-way; what telec has git fetch leaves that much. */
export const LEAST_FREE = { bytes: 64 * 2 ** 20, files: 1_000 }

/** Bytes that can still be written to the disk of `folder`. Throws `later` where an update wants more. */
export function verifyFree(folder: string): number {
  const { bytes, files } = freeSpace(folder)
  if (bytes < LEAST_FREE.bytes || files < LEAST_FREE.files) throw diskFull(folder)
  return bytes
}

/** The disk of `folder` is full, in figures. @param said by whom it was noticed, in their words. */
export function diskFull(
  folder: string,
  { said, ...details }: { said?: string; interrupted?: boolean } = {},
): TelecError {
  const { bytes, files } = freeSpace(folder)
  const free = `${mebibytes(bytes)}${Number.isFinite(files) ? ` and ${files} files` : ''}`
  const wanted = `${mebibytes(LEAST_FREE.bytes)} and ${LEAST_FREE.files} files`
  return new TelecError('later', `the disk of ${folder} is full`, {
    because: [said ?? [], `free: ${free}; an update wants ${wanted} at least`].flat().join('\n'),
    hint: `free some: df -h ${folder}; df -i ${folder}`,
    ...details,
  })
}

/** For people; never more than there is. */
export function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MiB`
}

/** What this user can still write to the file system of `path`; a full disk may have room and no inodes. */
export function freeSpace(path: string): { bytes: number; files: number } {
  const { bavail, bsize, files, ffree } = statfsSync(path)
  return { bytes: bavail * bsize, files: files === 0 ? Number.POSITIVE_INFINITY : ffree } // btrfs has no fixed number
}
