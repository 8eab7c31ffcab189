import { join } from 'node:path'
import type { Config } from '../config/schema.ts'
import { TelecError } from '../system/errors.ts'
import { fetching, REFETCH_FOLDER } from './fetch.ts'
import { git, gitError, gitRemote, tryGit } from './git.ts'
import { copyFile, filesBelow, moveFiles, removeTree } from './leftovers.ts'
import type { Repository } from './repository.ts'
import { fetchLimits } from './room.ts'

/**
 * Fetches with all its history into a repository of its own, which asks nothing of the broken one (`git fetch --refetch`
 * is of 2.36), and takes its packs over.
 *
 * @param needed what the remote, or a mirror, has to have, as refspecs.
 * @param wanted what may be there no more, or not be given away by its id (uploadpack.allowAnySHA1InWant).
 */
export async function fetchAnew(
  repository: Repository,
  { remote, mirrors, fetch_timeout: timeoutMs }: Config['deployment'],
  needed: readonly string[],
  wanted: readonly string[],
): Promise<void> {
  const { gitDir: _, commonDir, ...nowhere } = repository
  const place = join(commonDir, REFETCH_FOLDER)
  const fresh = { ...repository, gitDir: place, commonDir: place }
  removeTree(repository, place)
  try {
    const format = (await git(repository, ['rev-parse', '--show-object-format'])).trim()
    const init = ['init', '--quiet', '--bare', `--object-format=${format}`, '--', place]
    const made = await tryGit(nowhere, init)
    if (made.code !== 0) throw gitError(repository, init, made)
    await git(fresh, ['config', 'include.path', join(commonDir, 'config')]) // the remotes, and what it takes to ask them
    copyFile(repository, join(commonDir, 'shallow'), join(place, 'shallow')) // the history ends where it did
    const options = { timeoutMs, limits: fetchLimits(fresh) }
    const source = await firstOf([remote, ...mirrors], (from) =>
      gitRemote(fresh, from, fetching(from, ...needed), options),
    )
    for (const refspec of wanted) await tryGit(fresh, fetching(source, refspec), options)
    const isIndex = (path: string) => Number(path.endsWith('.idx')) // by which git finds a pack: last
    const packs = filesBelow(join(place, 'objects/pack'), /^pack-/)
    const inOrder = packs.toSorted((one, other) => isIndex(one) - isIndex(other))
    moveFiles(repository, inOrder, join(commonDir, 'objects/pack'))
  } finally {
    removeTree(repository, place)
  }
}

async function firstOf(
  sources: readonly string[],
  attempt: (source: string) => Promise<unknown>,
): Promise<string> {
  let fault: unknown
  for (const source of sources)
    try {
      await attempt(source)
      return source
    } catch (error) {
      if (!(error instanceof TelecError)) throw error
      fault ??= error
    }
  throw fault
}
