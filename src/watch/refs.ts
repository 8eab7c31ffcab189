import type { Ref } from '../channel/releases.ts'
import type { Target } from '../channel/target.ts'
import type { Deployment } from '../config/deployment.ts'
import type { Service } from '../config/service.ts'
import { isBehind } from '../git/checkout.ts'
import { defaultBranch, listRemote, parseRefs } from '../git/remote-refs.ts'
import type { Repository } from '../git/repository.ts'
import { type Published, publishedReleases } from '../releases/published.ts'
import { orNull, TelecError } from '../system/errors.ts'
import { withoutLogins } from '../system/logins.ts'

export interface RemoteRefs {
  readonly refs: readonly Ref[]
  /** The mirror that answered instead of the remote, without a login. */
  readonly via: string | null
  /** The remote's own list. Null: a mirror or an API has a say, too. */
  readonly list: string | null
  /** The branch of the remote's HEAD, if the configured branch is missing. */
  readonly defaultBranch: string | null
}

interface Known {
  readonly deployed: Target
  /** A skipped mirror is a warning; else a poll before has warned already. */
  readonly isNews: boolean
  /** What quiet.sh just read from the remote. */
  readonly heard: string | null
}

/** The refs of the remote, or of the first mirror that answers and has the deployed target. Throws `later` if none does. */
export async function readRefs(service: Service, repository: Repository, known: Known): Promise<RemoteRefs> {
  const { deployment } = service.config
  const found = await listRemote(repository, deployment, deployment.remote, known.heard)
    .then(async (list) => {
      const refs = parseRefs(list)
      return { refs, via: null, list, defaultBranch: await defaultIfMissing(repository, deployment, refs) }
    })
    .catch((error: unknown) => readMirrors(service, repository, known, error))
  if (deployment.releases === 'tags') return found
  const published = await publishedReleases(service, repository, deployment.releases)
  return { ...found, refs: onlyPublished(found.refs, published), list: null }
}

/** The default branch, for a message about a missing branch. A remote that does not name it is no error. */
export async function defaultIfMissing(
  repository: Repository,
  deployment: Deployment,
  refs: readonly Ref[],
): Promise<string | null> {
  if (deployment.channel !== 'alpha' || refs.length > 0) return null
  return orNull(() => defaultBranch(repository, deployment, deployment.remote))
}

/** @param error why the remote did not answer: thrown if no mirror answers. */
async function readMirrors(
  { world, config: { deployment } }: Service,
  repository: Repository,
  { deployed, isNews }: Known,
  error: unknown,
): Promise<RemoteRefs> {
  if (!isUnreachable(error) && !isRefused(error)) throw error
  if (isRefused(error) && isNews && deployment.mirrors.length > 0)
    world.log.warning([error.message, error.hint].join('; what to do: '))
  for (const mirror of deployment.mirrors) {
    const list = await listRemote(repository, deployment, mirror).catch((fault: unknown) => {
      if (isUnreachable(fault) || isRefused(fault)) return null
      throw fault
    })
    const refs = list === null ? null : parseRefs(list)
    const via = withoutLogins(mirror)
    if (refs && (await hasDeployed(repository, refs, deployed)))
      return { refs, via, list: null, defaultBranch: null }
    const say = isNews ? world.log.warning : world.log.debug
    say(`skipped the mirror ${via}: it ${refs ? 'lacks the deployed version' : 'does not answer'}`)
  }
  throw error
}

/** The API decides which tags are releases. Their commits always come from the remote. */
export function onlyPublished(refs: readonly Ref[], published: readonly Published[]): Ref[] {
  const byName = new Map(published.map(({ tag, prerelease }) => [`refs/tags/${tag}`, prerelease]))
  return refs.flatMap((ref) => {
    const prerelease = byName.get(ref.name)
    return prerelease === undefined ? [] : [{ ...ref, prerelease }]
  })
}

export function isUnreachable(error: unknown): error is TelecError {
  return error instanceof TelecError && error.kind === 'later'
}

function isRefused(error: unknown): error is TelecError {
  return error instanceof TelecError && error.isRefused
}

/** Without this check a mirror that lags behind would look like a removed release, or a branch that was reset. */
async function hasDeployed(repository: Repository, refs: readonly Ref[], deployed: Target): Promise<boolean> {
  if (refs.length === 0) return false
  const ref = refs.find(({ name }) => name === deployed.ref)
  if (deployed.ref.startsWith('refs/tags/')) return ref?.commit === deployed.commit
  if (!ref || ref.commit === deployed.commit) return true
  return !(await isBehind(repository, ref.commit, deployed.commit))
}
