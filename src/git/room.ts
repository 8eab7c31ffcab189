import { lstatSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { TelecError } from '../system/errors.ts'
import { freeSpace, LEAST_FREE, mebibytes } from '../system/space.ts'
import type { GitOptions } from './git.ts'
import { filesBelow, removeFiles } from './leftovers.ts'
import type { Repository } from './repository.ts'

/** What git may take to unpack what a server sends: twice the largest file that it does not stream (core.bigFileThreshold), and more. */
const MEMORY_KIB = 2 * 1024 * 1024
/** What git says where its helper has met the limit of a file's size (setrlimit(2)); of a clone only that it was silent, twice. */
const DIED_OF_SIZE = new RegExp(
  `died of signal ${constants.signals.SIGXFSZ}\\b|Retry scheduled\nfatal: fetch-pack: invalid index-pack output`,
)

/** What a server may fill of the disk that holds a folder, in bytes: without an end, it does not take the last from the service. */
export function roomIn(folder: string): number {
  return Math.max(0, freeSpace(folder).bytes - LEAST_FREE.bytes)
}

/** What a git that fetches may take of the memory and of the disk, whatever a server sends. */
export function fetchLimits({ commonDir }: Repository): NonNullable<GitOptions['limits']> {
  return { d: MEMORY_KIB, f: roomIn(commonDir) / 512 }
}

/** Runs a git that fetches objects; throws `later` where they do not fit on the disk. Of what failed nothing is left. */
export async function fetchWithin<Result>(
  repository: Repository,
  sender: string,
  act: (limits: NonNullable<GitOptions['limits']>) => Promise<Result>,
): Promise<Result> {
  const limits = fetchLimits(repository)
  const bytes = (limits.f ?? 0) * 512
  const before = new Set(halfWritten(repository))
  try {
    return await act(limits)
  } catch (error) {
    const left = halfWritten(repository).filter((path) => !before.has(path))
    const isTooLarge = left.some((path) => sizeOf(path) > bytes - 4_096)
    removeFiles(repository, left)
    // git's own words are only that its helper has ended.
    if (error instanceof TelecError && (isTooLarge || DIED_OF_SIZE.test(error.because ?? '')))
      throw doesNotFit(repository, sender, `it is more than ${mebibytes(bytes)}`)
    throw error
  }
}

/** What is too large for the disk now. */
export function doesNotFit({ commonDir }: Repository, sender: string, because: string): TelecError {
  return new TelecError('later', `what ${sender} sends does not fit on the disk`, {
    because,
    hint: `free some space: df -h ${commonDir}`,
  })
}

/** What a git that fetches has not ended: one that was killed leaves it for weeks (git-gc(1)). */
export function halfWritten({ commonDir }: Repository): string[] {
  return filesBelow(join(commonDir, 'objects'), /^(tmp_(pack|idx|rev|bitmap|mtimes|obj)_|\.tmp-\d+-pack-)/)
}

/** 0 where it is gone: another program's may be. */
export function sizeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0
}
