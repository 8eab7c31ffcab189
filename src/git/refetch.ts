import { lstatSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Target } from '../channel/target.ts'
import type { Config } from '../config/schema.ts'
import { TelecError } from '../system/errors.ts'
import { fetching, fetchLimits, REFETCH_FOLDER } from './fetch.ts'
import { git, gitError, gitRemote, tryGit } from './git.ts'
import { copyFile, filesBelow, moveFiles, removeFiles, removeFolder } from './leftovers.ts'
import type { Repository } from './repository.ts'

type Deployment = Config['deployment']

/**
 * Fetches all of a target's history, and what is deployed, into a repository of its own, which asks nothing of the broken
 * one (`git fetch --refetch` is of 2.36), and takes its packs over: git looks into packs before it reads loose objects.
 */
export async function refetchObjects(
  repository: Repository,
  deployment: Deployment,
  target: Target,
  deployed: Target,
): Promise<void> {
  const { commonDir } = repository
  // Of a partial clone git itself fetches what is missing, when it is asked for (partial-clone(5)).
  if (filesBelow(join(commonDir, 'objects/pack'), /\.promisor$/).length > 0) return clearBroken(repository)
  const place = join(commonDir, REFETCH_FOLDER)
  const fresh = { ...repository, gitDir: place, commonDir: place }
  await removeFolder(repository, place)
  try {
    await makeRepository(repository, fresh, target)
    const source = await fetchFromFirst(fresh, deployment, target)
    // It may be on no branch any more.
    for (const one of [deployed.ref, deployed.commit])
      await tryGit(fresh, packed(source, one, 'deployed'), optionsFor(fresh, deployment))
    await clearBroken(repository)
    const packs = filesBelow(join(place, 'objects/pack'), /^pack-/)
    const isIndex = (path: string) => Number(path.endsWith('.idx')) // by which git finds a pack: last
    const inOrder = packs.toSorted((one, other) => isIndex(one) - isIndex(other))
    await moveFiles(repository, inOrder, join(commonDir, 'objects/pack'))
  } finally {
    await removeFolder(repository, place)
  }
  await git(repository, ['prune-packed', '--quiet']) // loose objects that a pack has, broken ones among them
}

async function makeRepository(repository: Repository, fresh: Repository, target: Target): Promise<void> {
  const { commonDir } = repository
  const format = target.commit.length === 64 ? ['--object-format=sha256'] : []
  const { gitDir: _, ...nowhere } = repository
  const init = ['init', '--quiet', '--bare', ...format, '--', fresh.gitDir]
  const made = await tryGit(nowhere, init)
  if (made.code !== 0) throw gitError(repository, init, made)
  await git(fresh, ['config', 'include.path', join(commonDir, 'config')]) // the remotes, and what it takes to ask them
  // Where a clone is shallow, its history ends where it did.
  await copyFile(repository, join(commonDir, 'shallow'), fresh.gitDir)
}

function optionsFor(fresh: Repository, { fetch_timeout: timeoutMs }: Deployment) {
  return { timeoutMs, limits: fetchLimits(fresh).limits }
}

async function fetchFromFirst(fresh: Repository, deployment: Deployment, { ref }: Target): Promise<string> {
  let fault: unknown
  for (const source of [deployment.remote, ...deployment.mirrors])
    try {
      await gitRemote(fresh, source, packed(source, ref, 'target'), optionsFor(fresh, deployment))
      return source
    } catch (error) {
      if (!(error instanceof TelecError)) throw error
      fault ??= error
    }
  throw fault
}

function packed(source: string, what: string, name: string): string[] {
  return ['-c', 'fetch.unpackLimit=1', ...fetching(source, `+${what}:refs/heads/${name}`)]
}

/** Moves packs that are cut aside; removes objects that are empty, and what git derives from others. */
async function clearBroken(repository: Repository): Promise<void> {
  const { commonDir } = repository
  const objects = join(commonDir, 'objects')
  const indexes = filesBelow(join(objects, 'pack'), /^pack-.*\.idx$/)
  for (const index of indexes) {
    if ((await tryGit(repository, ['verify-pack', '--', index])).code === 0) continue
    const name = basename(index, '.idx')
    const files = filesBelow(join(objects, 'pack'), /./).filter((path) =>
      basename(path).startsWith(`${name}.`),
    )
    await moveFiles(repository, files, join(commonDir, 'telec-aside'))
  }
  const isEmpty = (path: string) => lstatSync(path, { throwIfNoEntry: false })?.size === 0
  await removeFiles(repository, [
    ...filesBelow(objects, /^[0-9a-f]{38,62}$/).filter(isEmpty),
    ...filesBelow(join(objects, 'info'), /^(commit-graph|graph-.*\.graph)/),
    join(objects, 'pack/multi-pack-index'),
  ])
}
