import type { Ref } from '../channel/releases.ts'
import type { Target } from '../channel/target.ts'
import type { Config } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { areBehind } from '../git/checkout.ts'
import { defaultBranch, listRemote, parseOffers } from '../git/remote-refs.ts'
import type { Repository } from '../git/repository.ts'
import { type Published, publishedReleases } from '../releases/published.ts'
import { orNull, TelecError } from '../system/errors.ts'
import { withoutLogins } from '../system/logins.ts'

export interface Offers {
  readonly refs: readonly Ref[]
  /** The mirror that had to answer for the remote, as it may be shown. */
  readonly via: string | null
  /** What the remote said, where nothing else had a say; null: something had. */
  readonly list: string | null
  /** The branch that the remote's HEAD names; asked for only where the branch that it should have is missing. */
  readonly defaultBranch: string | null
}

interface Known {
  readonly deployed: Target
  /** Whether it is worth a warning that a mirror is passed over; else it was said before. */
  readonly isNews: boolean
  /** What quiet.sh heard from the remote just now; null: nothing. */
  readonly heard: string | null
}

/** What the remote offers, or the first mirror in reach that has what is deployed. Throws `later` where none is in reach. */
export async function readOffers(service: Service, repository: Repository, known: Known): Promise<Offers> {
  const { deployment } = service.config
  const offers = await listRemote(repository, deployment, deployment.remote, known.heard)
    .then(async (list) => {
      const refs = parseOffers(list)
      return { refs, via: null, list, defaultBranch: await branchInstead(repository, deployment, refs) }
    })
    .catch((error: unknown) => offersOfMirror(service, repository, known, error))
  if (deployment.releases === 'tags') return offers
  const published = await publishedReleases(service, repository, deployment.releases)
  return { ...offers, refs: onlyPublished(offers.refs, published), list: null }
}

/** What a person may have meant by a branch that is missing; a remote that does not say it is no reason to know less. */
export async function branchInstead(
  repository: Repository,
  deployment: Config['deployment'],
  refs: readonly Ref[],
): Promise<string | null> {
  if (deployment.channel !== 'alpha' || refs.length > 0) return null
  return orNull(() => defaultBranch(repository, deployment, deployment.remote))
}

/** @param error why the remote did not answer: thrown where no mirror does, either. */
async function offersOfMirror(
  { world, config: { deployment } }: Service,
  repository: Repository,
  { deployed, isNews }: Known,
  error: unknown,
): Promise<Offers> {
  if (!isOutOfReach(error) && !isRefused(error)) throw error
  if (isRefused(error) && isNews && deployment.mirrors.length > 0)
    world.log.warning([error.message, error.hint].join('; what to do: '))
  for (const mirror of deployment.mirrors) {
    const list = await listRemote(repository, deployment, mirror).catch((fault: unknown) => {
      if (isOutOfReach(fault) || isRefused(fault)) return null
      throw fault
    })
    const refs = list === null ? null : parseOffers(list)
    const via = withoutLogins(mirror)
    if (refs && (await hasDeployed(repository, refs, deployed)))
      return { refs, via, list: null, defaultBranch: null }
    const why = refs ? 'lacks what is deployed' : 'does not answer, either'
    const say = isNews ? world.log.warning : world.log.debug
    say(`the mirror ${via} ${why}: it is passed over`)
  }
  throw error
}

/** An API says which tags are releases; the commit behind one is always the remote's own word. */
export function onlyPublished(refs: readonly Ref[], published: readonly Published[]): Ref[] {
  const byName = new Map(published.map(({ tag, prerelease }) => [`refs/tags/${tag}`, prerelease]))
  return refs.flatMap((ref) => {
    const prerelease = byName.get(ref.name)
    return prerelease === undefined ? [] : [{ ...ref, prerelease }]
  })
}

export function isOutOfReach(error: unknown): error is TelecError {
  return error instanceof TelecError && error.kind === 'later'
}

function isRefused(error: unknown): error is TelecError {
  return error instanceof TelecError && error.isRefused
}

/** A mirror that lags behind would look like a withdrawn release, or a branch that was set back. */
async function hasDeployed(repository: Repository, refs: readonly Ref[], deployed: Target): Promise<boolean> {
  if (refs.length === 0) return false
  if (deployed.ref.startsWith('refs/tags/'))
    return refs.some(({ name, commit }) => name === deployed.ref && commit === deployed.commit)
  for (const { name, commit } of refs)
    if (name === deployed.ref && commit !== deployed.commit)
      return !(await areBehind(repository, [commit], deployed.commit))
  return true
}
