import { gitAt, TelecError } from '../../system/errors.ts'
import { hasCommit } from '../checkout.ts'
import { fetchWithin } from '../fetch.ts'
import { type GitOptions, gitError, gitLines, gitRemote, remoteUrl, tryGit } from '../git.ts'
import type { Repository } from '../repository.ts'
import { repositoryOf, type Submodule, type SubmoduleUpdate } from './submodule.ts'

/** Enough for a clone. */
const TIMEOUT_MS = 15 * 60_000

/** Runs git submodule sync or init: git knows which names and URLs are dangerous. */
export function runSubmodule(
  update: SubmoduleUpdate,
  repository: Repository,
  command: 'sync' | 'init',
): Promise<void> {
  return run(update, repository, ['submodule', '--quiet', command])
}

/** Clones a missing submodule, if it is active, without its files: some may be in git LFS. */
export function cloneMissing(update: SubmoduleUpdate, { parent, name, path }: Submodule): Promise<void> {
  const noCheckout = ['-c', `submodule.${name}.update=!true`] // git-submodule(1), custom command
  const clone = [...noCheckout, 'submodule', '--quiet', 'update', '--', `:(literal)${path}`]
  return fetchWithin(parent, `the remote of the submodule ${path}`, (limits) =>
    run(update, parent, clone, limits),
  )
}

async function run(
  update: SubmoduleUpdate,
  repository: Repository,
  args: readonly string[],
  limits: GitOptions['limits'] = {},
): Promise<void> {
  const result = await tryGit(repository, args, { ...(await transport(update)), limits })
  if (result.code === 0) return
  await verifyTransport(update, result.stderr)
  const [, path] = /Fetched in submodule path '(.*)', but it did not contain/.exec(result.stderr) ?? []
  if (path !== undefined) throw missingAtRemote(repository, path, result.stderr.trim())
  throw gitError(repository, ['submodule'], result, 'interrupted') // one of its gits may have been killed
}

/**
 * Fetches the commit of a submodule where it is missing: by its id, or from older servers by all branches and tags. Returns
 * the submodule's remote.
 */
export async function bringCommit(update: SubmoduleUpdate, submodule: Submodule): Promise<string> {
  const { commit, path } = submodule
  const own = repositoryOf(submodule)
  const remotes = await gitLines(own, ['remote'])
  const remote = remotes.find((name) => name === 'origin') ?? remotes[0] ?? 'origin'
  if (await hasCommit(own, commit)) return remote
  const alone = ['--no-recurse-submodules', '--no-write-fetch-head', '--no-auto-maintenance', '--refmap=']
  const fetch = ['fetch', '--quiet', '--prune', ...alone, '--', remote]
  const how = await transport(update)
  await fetchWithin(own, `the remote of the submodule ${path}`, async (limits) => {
    const byId = await tryGit(own, [...fetch, commit], { ...how, limits })
    if (byId.code === 0) return
    await verifyTransport(update, byId.stderr)
    const all = ['+refs/heads/*:refs/telec/kept/heads/*', '+refs/tags/*:refs/telec/kept/tags/*']
    await gitRemote(own, remote, [...fetch, ...all], { ...how, limits })
    if (!(await hasCommit(own, commit))) throw missingAtRemote(update.checkout, path, byId.stderr.trim())
  })
  return remote
}

/** `later`: often the submodule is pushed a moment after the checkout. */
function missingAtRemote({ workTree }: Repository, path: string, because: string): TelecError {
  const message = `the remote of the submodule ${path} lacks the commit of the target`
  return new TelecError('later', message, {
    because,
    hint: `push the commit there; to see it: ${gitAt(workTree)} submodule status`,
    interrupted: true,
  })
}

async function verifyTransport({ checkout, remote }: SubmoduleUpdate, stderr: string): Promise<void> {
  if (remote === null || !/transport '.*' not allowed/.test(stderr)) return
  const allowed = await transportOf(checkout, remote)
  throw new TelecError(
    'halted',
    `the URL of a submodule does not use ${allowed}, the transport of ${remote}`,
    {
      because: stderr.trim(),
      hint: 'change .gitmodules in a new commit',
    },
  )
}

/** Options for a git that asks the remote of a submodule. */
async function transport({ checkout, remote }: SubmoduleUpdate) {
  const allowed = remote === null ? 'none' : await transportOf(checkout, remote)
  return { timeoutMs: TIMEOUT_MS, env: { GIT_ALLOW_PROTOCOL: allowed } }
}

/** The transport of a remote's URL, as a name for GIT_ALLOW_PROTOCOL. */
async function transportOf(repository: Repository, remote: string): Promise<string> {
  const url = await remoteUrl(repository, remote)
  const [, scheme] = /^([a-z][a-z0-9+]*):\/\//i.exec(url) ?? []
  if (scheme) return scheme.toLowerCase()
  return /^[^/]+:/.test(url) ? 'ssh' : 'file' // HOST:PATH, or a path (git-clone(1), GIT URLS)
}
