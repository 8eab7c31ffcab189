import { renameSync } from 'node:fs'
import { constants } from 'node:os'
import { basename, join } from 'node:path'
import type { Target } from '../channel/target.ts'
import type { Deployment } from '../config/deployment.ts'
import { foreseen, RETRY, shellWord, TelecError } from '../system/errors.ts'
import { lstat, readPlainText } from '../system/files.ts'
import { withoutLogins } from '../system/logins.ts'
import { freeSpace, LEAST_FREE, mebibytes } from '../system/space.ts'
import { changeFiles, copyFile, filesBelow, removeFiles, removeTree } from './checkout-files.ts'
import { type GitOptions, git, gitRemote, tryGit } from './git.ts'
import { keptRef } from './refs.ts'
import type { Repository } from './repository.ts'
import { noLongerAvailable, verifyFetched } from './target.ts'

type Limits = NonNullable<GitOptions['limits']>

/** No git takes this long between two writes. */
const STALE_MS = 60 * 60_000
/** The memory of git to unpack what a server sends: twice the largest file that it does not stream (core.bigFileThreshold), and more. */
const MEMORY_KIB = 2 * 1024 * 1024
/** git's words where its helper met the maximum size of a file (setrlimit(2)); of a clone only that it was silent, twice. */
const DIED_OF_SIZE = new RegExp(
  `died of signal ${constants.signals.SIGXFSZ}\\b|Retry scheduled\nfatal: fetch-pack: invalid index-pack output`,
)
/** The repository of `fetchAllAgain`. */
const REFETCH_FOLDER = 'telec-refetch'

/** Fetches the target, and nothing else, from the remote or the first mirror that has it. Its content is not read. */
export async function fetchTarget(
  repository: Repository,
  deployment: Deployment,
  target: Target,
): Promise<void> {
  const { fetch_timeout: timeoutMs } = deployment
  await fromFirst(repository, deployment, async (source) => {
    const args = fetchArguments(source, `+${target.ref}:${keptRef(target.ref)}`)
    try {
      await fetchWithin(repository, `the remote ${source}`, (limits) =>
        gitRemote(repository, source, args, { timeoutMs, limits }),
      )
    } catch (error) {
      if (error instanceof TelecError && /couldn't find remote ref/.test(error.because ?? ''))
        throw noLongerAvailable(target, error.because ?? '')
      throw error
    }
    await verifyFetched(repository, target)
  })
}

/** Fetches from the remote or, after a fault for which mirrors may help, from the first mirror that works. Returns the source. */
async function fromFirst(
  { world: { log } }: Repository,
  { remote, mirrors }: Deployment,
  fetch: (source: string) => Promise<unknown>,
  // Not where the remote itself no longer has the target: a mirror may be behind.
  mayHelp = ({ kind, retryCommand }: TelecError) => kind === 'later' && retryCommand === RETRY,
): Promise<string> {
  try {
    await fetch(remote)
    return remote
  } catch (error) {
    if (!mayHelp(foreseen(error))) throw error
    for (const mirror of mirrors)
      try {
        await fetch(mirror)
        log.notice(`fetched from the mirror ${withoutLogins(mirror)}`)
        return mirror
      } catch (fault) {
        log.warning(`skipped the mirror ${withoutLogins(mirror)}: ${foreseen(fault).message}`)
      }
    throw error
  }
}

/** The missing objects of a verified commit in a partial clone: git would fetch them later, without a limit. */
export async function fetchMissing(
  repository: Repository,
  { remote, fetch_timeout: timeoutMs }: Deployment,
  from: string,
  commit: string,
): Promise<void> {
  const config = readPlainText(join(repository.commonDir, 'config')) ?? ''
  if (!/^\s*promisor\s*=/im.test(config)) return
  const args = ['diff-tree', '-r', '--shortstat', '--no-renames', from, commit, '--'] // needs all of them
  await fetchWithin(repository, `the remote ${remote}`, (limits) =>
    git(repository, args, { timeoutMs, limits, effect: 'later' }),
  )
}

function fetchArguments(source: string, ...refspecs: readonly string[]): string[] {
  const alone = ['--no-tags', '--no-recurse-submodules', '--no-write-fetch-head', '--no-auto-maintenance']
  // An empty refmap: telec does not move the checkout's remote-tracking branches.
  return ['fetch', '--quiet', ...alone, '--refmap=', '--', source, ...refspecs]
}

/**
 * Fetches everything again into a second repository, which asks nothing of the broken one (`git fetch --refetch` came with
 * 2.36), and moves its packs to the first.
 *
 * @param needed refspecs that the remote or a mirror must have.
 * @param wanted refspecs that the remote may refuse (uploadpack.allowAnySHA1InWant), or no longer have.
 */
export async function fetchAllAgain(
  repository: Repository,
  deployment: Deployment,
  needed: readonly string[],
  wanted: readonly string[],
): Promise<void> {
  const { commonDir } = repository
  const place = join(commonDir, REFETCH_FOLDER)
  const second = { ...repository, gitDir: place, commonDir: place }
  removeTree(repository, place)
  try {
    const format = (await git(repository, ['rev-parse', '--show-object-format'])).trim()
    await git(second, ['init', '--quiet', `--object-format=${format}`])
    await git(second, ['config', 'include.path', join(commonDir, 'config')]) // the remotes and their logins
    copyFile(repository, join(commonDir, 'shallow'), join(place, 'shallow')) // the same end of the history
    const options = { timeoutMs: deployment.fetch_timeout, limits: fetchLimits(second) }
    const source = await fromFirst(
      repository,
      deployment,
      (from) => gitRemote(second, from, fetchArguments(from, ...needed), options),
      () => true, // a mirror may have objects that the remote has lost, too
    )
    for (const refspec of wanted) await tryGit(second, fetchArguments(source, refspec), options)
    const isIndex = (path: string) => Number(path.endsWith('.idx')) // last: git finds a pack by it
    const packs = filesBelow(join(place, 'objects/pack'), /^pack-/)
    const inOrder = packs.toSorted((one, other) => isIndex(one) - isIndex(other))
    changeFiles(repository, () => {
      for (const path of inOrder) renameSync(path, join(commonDir, 'objects/pack', basename(path)))
    })
  } finally {
    removeTree(repository, place)
  }
}

/** The bytes that a server may fill on the disk of a folder: the service needs the rest. */
export function roomIn(folder: string): number {
  return Math.max(0, freeSpace(folder).bytes - LEAST_FREE.bytes)
}

/** The memory and disk of a git that fetches: a server may send more. */
function fetchLimits({ commonDir }: Repository): Limits {
  return { d: MEMORY_KIB, f: roomIn(commonDir) / 512 }
}

/** Runs a git that fetches objects, and removes its unfinished files. Throws `later` where the objects do not fit on the disk. */
export async function fetchWithin<Result>(
  repository: Repository,
  sender: string,
  run: (limits: Limits) => Promise<Result>,
): Promise<Result> {
  const limits = fetchLimits(repository)
  const bytes = (limits.f ?? 0) * 512
  const before = new Set(unfinishedFiles(repository))
  try {
    return await run(limits)
  } catch (error) {
    const unfinished = unfinishedFiles(repository).filter((path) => !before.has(path))
    const isTooLarge = unfinished.some((path) => sizeOf(path) > bytes - 4_096)
    removeFiles(repository, unfinished)
    // git itself says only that its helper ended.
    if (error instanceof TelecError && (isTooLarge || DIED_OF_SIZE.test(error.because ?? '')))
      throw doesNotFit(repository, sender, `it needs more than ${mebibytes(bytes)}`)
    throw error
  }
}

/** The disk is too full for what a server sends. */
export function doesNotFit({ commonDir }: Repository, sender: string, because: string): TelecError {
  return new TelecError('later', `the fetch from ${sender} does not fit on the disk`, {
    because,
    hint: `free some space: df -h ${shellWord(commonDir)}`,
  })
}

/** Removes the files of gits that were killed during a fetch, which git keeps for weeks (git-gc(1)). */
export async function removeStaleObjects(repository: Repository): Promise<void> {
  const { world } = repository
  const isStale = (path: string) => world.now() - (lstat(path)?.mtimeMs ?? world.now()) > STALE_MS
  removeFiles(repository, unfinishedFiles(repository).filter(isStale))
  removeTree(repository, join(repository.commonDir, REFETCH_FOLDER))
}

/** The temporary files of a git that fetches. */
function unfinishedFiles({ commonDir }: Repository): string[] {
  return filesBelow(join(commonDir, 'objects'), /^(tmp_(pack|idx|rev|bitmap|mtimes|obj)_|\.tmp-\d+-pack-)/)
}

/** 0 for a missing file: another program may have removed it. */
export function sizeOf(path: string): number {
  return lstat(path)?.size ?? 0
}
