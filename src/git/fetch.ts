import { lstatSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import type { Target } from '../channel/target.ts'
import type { Config } from '../config/schema.ts'
import { TelecError } from '../system/errors.ts'
import { freeSpace } from '../system/files.ts'
import { printableRemote } from './causes.ts'
import { gitRemote } from './git.ts'
import { filesBelow, removeFiles, removeTree } from './leftovers.ts'
import { keptRef } from './refs.ts'
import type { Repository } from './repository.ts'
import { type Declared, fetchedTarget, noLongerOffered } from './target.ts'

type Deployment = Config['deployment']

/** What git may take to unpack what a server sends: twice the largest file that it does not stream (core.bigFileThreshold), and more. */
const MEMORY_KIB = 2 * 1024 * 1024
/** A pack without an end does not take the last of the disk from the service. */
const KEPT_FREE_BYTES = 64 * 1024 * 1024
/** What git says where its helper has met the limit of a file's size (setrlimit(2)). */
const DIED_OF_SIZE = new RegExp(`died of signal ${constants.signals.SIGXFSZ}\\b`)
/** Nobody's git writes nothing for so long. */
const STALE_MS = 60 * 60_000

/** Where `fetchAnew` fetches. */
export const REFETCH_FOLDER = 'telec-refetch'

/** Fetches the target, and nothing else, from the remote or the first mirror that has it; what it declares. */
export async function fetchTarget(
  repository: Repository,
  deployment: Deployment,
  target: Target,
): Promise<Declared> {
  const { world } = repository
  const { remote, mirrors } = deployment
  try {
    return await fetchFrom(repository, deployment, remote, target)
  } catch (error) {
    if (!(error instanceof TelecError) || error.kind !== 'later') throw error
    for (const mirror of mirrors)
      try {
        const declared = await fetchFrom(repository, deployment, mirror, target)
        world.log.notice(`fetched from the mirror ${printableRemote(mirror)}`)
        return declared
      } catch (fault) {
        if (!(fault instanceof TelecError)) throw fault
        world.log.warning(`the mirror ${printableRemote(mirror)} was passed over: ${fault.message}`)
      }
    throw error
  }
}

async function fetchFrom(
  repository: Repository,
  { fetch_timeout: timeoutMs, version_file }: Deployment,
  source: string,
  target: Target,
): Promise<Declared> {
  const kept = keptRef(target.ref)
  const args = fetching(source, `+${target.ref}:${kept}`)
  const { fileBytes, limits } = fetchLimits(repository)
  const before = new Set(halfWritten(repository))
  try {
    await gitRemote(repository, source, args, { timeoutMs, limits })
  } catch (error) {
    const left = halfWritten(repository).filter((path) => !before.has(path))
    const sizeOf = (path: string) => lstatSync(path, { throwIfNoEntry: false })?.size ?? 0 // another git's may be gone
    const isTooLarge = left.some((path) => sizeOf(path) > fileBytes - 4_096)
    removeFiles(repository, left)
    if (!(error instanceof TelecError)) throw error
    if (/couldn't find remote ref/.test(error.because ?? ''))
      throw noLongerOffered(target, error.because ?? '')
    // git's own words are only that its helper has ended.
    if (!isTooLarge && !DIED_OF_SIZE.test(error.because ?? '')) throw error
    const name = printableRemote(source)
    throw new TelecError('later', `what the remote ${name} sends does not fit on the disk`, {
      because: `it is more than ${Math.round(fileBytes / 2 ** 20)} MiB`,
      hint: `free some space: df -h ${repository.commonDir}`,
    })
  }
  return fetchedTarget(repository, target, version_file)
}

/** What a git that fetches may take of the memory and of the disk, whatever a server sends. */
export function fetchLimits({ gitDir }: Repository) {
  const fileBytes = Math.max(0, freeSpace(gitDir).bytes - KEPT_FREE_BYTES)
  return { fileBytes, limits: { d: MEMORY_KIB, f: fileBytes / 512 } }
}

/** The arguments of a git that fetches this and nothing else. */
export function fetching(source: string, ...refspecs: readonly string[]): string[] {
  const alone = ['--no-tags', '--no-recurse-submodules', '--no-write-fetch-head', '--no-auto-maintenance']
  // An empty refmap: the branches that the checkout knows of its remote are not telec's to move.
  return ['fetch', '--quiet', ...alone, '--refmap=', '--', source, ...refspecs]
}

/** A git that was killed on its way leaves what came so far, for weeks (git-gc(1)). */
export async function removeStaleObjects(repository: Repository): Promise<void> {
  const { world } = repository
  const isStale = (path: string) => {
    const writtenMs = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs
    return writtenMs !== undefined && world.now() - writtenMs > STALE_MS
  }
  removeFiles(repository, halfWritten(repository).filter(isStale))
  removeTree(repository, join(repository.commonDir, REFETCH_FOLDER))
}

function halfWritten({ commonDir }: Repository): string[] {
  return filesBelow(join(commonDir, 'objects'), /^(tmp_(pack|idx|rev|bitmap|mtimes|obj)_|\.tmp-\d+-pack-)/)
}
