import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import type { Target } from '../channel/target.ts'
import type { Config } from '../config/schema.ts'
import { TelecError } from '../system/errors.ts'
import { readPlainText } from '../system/files.ts'
import { withoutLogins } from '../system/logins.ts'
import { gitError, gitRemote, tryGit } from './git.ts'
import { removeFiles, removeTree } from './leftovers.ts'
import { keptRef } from './refs.ts'
import type { Repository } from './repository.ts'
import { fetchWithin, halfWritten } from './room.ts'
import { noLongerOffered, verifyOffered } from './target.ts'

type Deployment = Config['deployment']

/** Nobody's git writes nothing for so long. */
const STALE_MS = 60 * 60_000

/** Where `fetchAnew` fetches. */
export const REFETCH_FOLDER = 'telec-refetch'

/** Fetches the target, and nothing else, from the remote or the first mirror that has it. Nothing of it is looked into. */
export async function fetchTarget(
  repository: Repository,
  deployment: Deployment,
  target: Target,
): Promise<void> {
  const { world } = repository
  const { remote, mirrors } = deployment
  try {
    return await fetchFrom(repository, deployment, remote, target)
  } catch (error) {
    if (!(error instanceof TelecError) || error.kind !== 'later') throw error
    for (const mirror of mirrors)
      try {
        await fetchFrom(repository, deployment, mirror, target)
        world.log.notice(`fetched from the mirror ${withoutLogins(mirror)}`)
        return
      } catch (fault) {
        if (!(fault instanceof TelecError)) throw fault
        world.log.warning(`the mirror ${withoutLogins(mirror)} was passed over: ${fault.message}`)
      }
    throw error
  }
}

async function fetchFrom(
  repository: Repository,
  { fetch_timeout: timeoutMs }: Deployment,
  source: string,
  target: Target,
): Promise<void> {
  const args = fetching(source, `+${target.ref}:${keptRef(target.ref)}`)
  const sender = `the remote ${source}`
  try {
    await fetchWithin(repository, sender, (limits) =>
      gitRemote(repository, source, args, { timeoutMs, limits }),
    )
  } catch (error) {
    if (error instanceof TelecError && /couldn't find remote ref/.test(error.because ?? ''))
      throw noLongerOffered(target, error.because ?? '')
    throw error
  }
  await verifyOffered(repository, target)
}

/** What a partial clone lacks of a commit that was verified: as it needs it, git would fetch it without a bound. */
export async function fetchLacking(
  repository: Repository,
  { remote, fetch_timeout: timeoutMs }: Deployment,
  from: string,
  commit: string,
): Promise<void> {
  const config = readPlainText(join(repository.commonDir, 'config')) ?? ''
  if (!/^\s*promisor\s*=/im.test(config)) return
  const args = ['diff-tree', '-r', '--shortstat', '--no-renames', from, commit, '--'] // asks for all at once
  await fetchWithin(repository, `the remote ${remote}`, async (limits) => {
    const result = await tryGit(repository, args, { timeoutMs, limits })
    if (result.code !== 0) throw gitError(repository, args, result, 'later')
  })
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
