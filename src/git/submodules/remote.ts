import { TelecError } from '../../system/errors.ts'
import { hasCommit } from '../checkout.ts'
import { type GitOptions, git, gitError, gitRemote, remoteUrl, tryGit } from '../git.ts'
import type { Repository } from '../repository.ts'
import { fetchWithin } from '../room.ts'
import type { Following } from './following.ts'
import type { Submodule } from './named.ts'

/** Submodules are cloned where they are new: as long as a fetch may take. */
const TIMEOUT_MS = 15 * 60_000

/** Gives the submodules the URLs that .gitmodules has now, relative ones from the repository's own remote. */
export function syncUrls(following: Following, repository: Repository): Promise<void> {
  return run(following, repository, ['submodule', '--quiet', 'sync'])
}

/** Notes which submodules are wanted here; git knows which names and URLs are dangerous. */
export function initialize(following: Following, repository: Repository): Promise<void> {
  return run(following, repository, ['submodule', '--quiet', 'init'])
}

/** Has git clone one that is missing, if it is wanted here, without its files: some may be in git LFS. */
export function cloneMissing(
  following: Following,
  repository: Repository,
  { name, path }: Submodule,
): Promise<void> {
  const update = ['submodule', '--quiet', 'update', '--', `:(literal)${path}`]
  const instead = ['-c', `submodule.${name}.update=!true`] // of the checkout (git-submodule(1), custom command)
  return fetchWithin(repository, `the remote of the submodule ${path}`, (limits) =>
    run(following, repository, update, limits, instead),
  )
}

async function run(
  following: Following,
  repository: Repository,
  args: readonly string[],
  limits: GitOptions['limits'] = {},
  settings: readonly string[] = [],
): Promise<void> {
  const result = await tryGit(repository, [...settings, ...args], { ...(await transport(following)), limits })
  if (result.code === 0) return
  await verifyTransport(following, result.stderr)
  const [, path] = /Fetched in submodule path '(.*)', but it did not contain/.exec(result.stderr) ?? []
  if (path !== undefined) throw lacks(repository, path, result.stderr.trim())
  throw gitError(repository, args, result, 'interrupted') // one of its gits may have been killed
}

/**
 * Fetches the commit into a submodule that lacks it, by its id; older servers give what is on branches and tags alone.
 *
 * @returns the submodule's remote
 */
export async function bringCommit(
  following: Following,
  own: Repository,
  { commit, path }: Submodule,
): Promise<string> {
  const remotes = (await git(own, ['remote'])).split('\n').filter(Boolean)
  const remote = remotes.find((name) => name === 'origin') ?? remotes[0] ?? 'origin'
  if (await hasCommit(own, commit)) return remote
  const alone = ['--no-recurse-submodules', '--no-write-fetch-head', '--no-auto-maintenance', '--refmap=']
  const fetch = ['fetch', '--quiet', '--prune', ...alone, '--', remote]
  const how = await transport(following)
  await fetchWithin(own, `the remote of the submodule ${path}`, async (limits) => {
    const byId = await tryGit(own, [...fetch, commit], { ...how, limits })
    if (byId.code === 0) return
    await verifyTransport(following, byId.stderr)
    const all = ['+refs/heads/*:refs/telec/kept/heads/*', '+refs/tags/*:refs/telec/kept/tags/*']
    await gitRemote(own, remote, [...fetch, ...all], { ...how, limits })
    if (!(await hasCommit(own, commit))) throw lacks(following.checkout, path, byId.stderr.trim())
  })
  return remote
}

/** Whoever pushed forgot to push the submodule, or does it a moment later: that passes without a new target. */
function lacks({ workTree }: Repository, path: string, because: string): TelecError {
  return new TelecError(
    'later',
    `the remote of the submodule ${path} lacks the commit that the target names`,
    {
      because,
      hint: `push it there; which one it is: git -C ${workTree} submodule status`,
      interrupted: true,
    },
  )
}

async function verifyTransport({ checkout, remote }: Following, stderr: string): Promise<void> {
  if (remote === null || !/transport '.*' not allowed/.test(stderr)) return
  throw new TelecError('halted', 'a submodule is at a URL that telec does not take', {
    because: stderr.trim(),
    hint: `only ${await transportOf(checkout, remote)}, which ${remote} uses, is allowed: change .gitmodules in a new commit`,
  })
}

/** How a git that asks a submodule's remote is run. */
async function transport({ checkout, remote }: Following) {
  const allowed = remote === null ? 'none' : await transportOf(checkout, remote)
  return { timeoutMs: TIMEOUT_MS, env: { GIT_ALLOW_PROTOCOL: allowed } }
}

/** The transport of a remote's URL, as GIT_ALLOW_PROTOCOL has it. */
async function transportOf(repository: Repository, remote: string): Promise<string> {
  const url = await remoteUrl(repository, remote)
  const [, scheme] = /^([a-z][a-z0-9+]*):\/\//i.exec(url) ?? []
  if (scheme) return scheme.toLowerCase()
  return /^[^/]+:/.test(url) ? 'ssh' : 'file' // HOST:PATH, or a path (git-clone(1), GIT URLS)
}
