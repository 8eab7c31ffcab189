import { distinct, isCalled, type Name, parseName } from '../channel/choices.ts'
import { releasesIn, targetOf } from '../channel/releases.ts'
import { nameOf, type Target } from '../channel/target.ts'
import type { Service } from '../config/service.ts'
import { areBehind, commitsCalled } from '../git/checkout.ts'
import { fetchTarget } from '../git/fetch.ts'
import { listRemote, parseOffers } from '../git/remote-refs.ts'
import type { Repository } from '../git/repository.ts'
import { declaredBy } from '../git/target.ts'
import { readSignal } from '../state/signal.ts'
import { asTarget, type UpdateState } from '../state/update-state.ts'
import { readWatchState } from '../state/watch-state.ts'
import { TelecError } from '../system/errors.ts'

/** What a person named by its version, or by its commit: one that this computer knows of, or that the remote names. */
export async function findTarget(
  service: Service,
  repository: Repository,
  state: UpdateState,
  text: string,
): Promise<Target> {
  const name = parseName(text)
  // On alpha many commits may have one version: most often that which runs is meant.
  if ('version' in name && isCalled(state.deployed, name)) return asTarget(state.deployed)
  const known = distinct([...recorded(service, state), ...(await local(service, repository, name))])
  const here = known.filter((one) => isCalled(one, name))
  if (here.length > 0) return theOnly(here, text)
  const { head, releases } = await offered(service, repository)
  const found = [...releases, ...(head ? [head] : [])].filter((one) => isCalled(one, name))
  const [first] = found
  if (first && 'version' in name) return first // as the channel takes it, of `v1.0.0` and `1.0.0`
  if (first) return theOnly(distinct(found), text)
  throw unknown(service, text, releases)
}

/**
 * The same, of what the remote has by now, which was fetched, with the version that it declares. For the holder of telec's
 * lock.
 */
export async function fetchNamed(
  service: Service,
  repository: Repository,
  state: UpdateState,
  text: string,
): Promise<Target> {
  const { deployed } = state
  const { deployment } = service.config
  const name = parseName(text)
  const isDeployed = isCalled(deployed, name)
  const others = (await local(service, repository, name)).filter(({ commit }) => commit !== deployed.commit)
  if (isDeployed && others.length === 0) return asTarget(deployed)
  const { head, releases } = await offered(service, repository)
  if (head) await fetchTarget(repository, deployment, head)
  const [tagged] = 'version' in name ? releases.filter((one) => isCalled(one, name)) : []
  const known = [...releases, ...(head ? [head] : []), ...recorded(service, state)]
  // A commit that was fetched is found by the beginning of its id; one that is a release is known by that.
  const all = distinct([...known, ...(await local(service, repository, name))])
  const found = tagged ? [tagged] : all.filter((one) => isCalled(one, name))
  if (found.length === 0) throw unknown(service, text, releases)
  const target = theOnly(found, text)
  const isTagged = releases.some(({ commit }) => commit === target.commit)
  const onBranch = head && (await areBehind(repository, [target.commit], head.commit)) ? head.ref : null
  if (!isTagged && onBranch === null)
    throw new TelecError('halted', `the remote does not have ${nameOf(target)}`, {
      because: `no release is it, and ${deployment.branch} does not lead to it`,
      hint: `push it; what the remote has: git ls-remote ${deployment.remote}`,
    })
  const isByBranch = onBranch !== null && (deployment.channel === 'alpha' || !isTagged)
  const offeredAs = isByBranch ? { ...target, ref: onBranch } : target
  await fetchTarget(repository, deployment, offeredAs)
  const { version } = await declaredBy(repository, offeredAs, deployment.version_file)
  return { ...offeredAs, version }
}

function theOnly(found: readonly Target[], text: string): Target {
  const [only, ...others] = found
  if (only && others.length === 0) return only
  throw new TelecError('usage', `${text} could be ${found.length} commits`, {
    because: found.slice(0, NAMED).map(nameOf).join('\n'),
    hint: 'say more of the commit',
  })
}

/** So many are named where there are more. */
const NAMED = 10

function unknown({ config }: Service, text: string, releases: readonly Target[]): TelecError {
  const { branch, remote } = config.deployment
  const newest = releases.slice(0, NAMED).map(nameOf)
  const because = newest.length > 0 ? `its newest releases are\n${newest.join('\n')}` : 'it has no release'
  return new TelecError('halted', `neither this computer nor the remote knows of ${text}`, {
    because,
    hint: `is it pushed? What is only a commit of ${branch} is named by its commit: git ls-remote ${remote}`,
  })
}

/** What telec has come across, newest first. */
function recorded({ paths }: Service, { deployed, previous, rolled_back, update }: UpdateState): Target[] {
  const watch = readWatchState(paths)
  const signalled = [readSignal(paths)?.target ?? [], watch?.target ?? []].flat()
  // Heads that wait for `min_age`; the releases among them the remote names with their versions.
  const heads = (watch?.seen ?? []).filter(({ ref }) => ref.startsWith('refs/heads/')).toReversed()
  const seen = heads.map(({ ref, commit }) => ({ version: null, ref, commit }))
  const before = [update?.target ?? [], rolled_back?.targets ?? [], previous.toReversed()].flat()
  return distinct([deployed, ...before, ...signalled, ...seen].map(asTarget))
}

/** Commits of the repository; of a version nobody knows which they are. */
async function local({ config }: Service, repository: Repository, name: Name): Promise<Target[]> {
  if ('version' in name) return []
  const ref = `refs/heads/${config.deployment.branch}`
  return (await commitsCalled(repository, name.commit)).map((commit) => ({ version: null, ref, commit }))
}

/** The branch and the releases, whichever of them the channel follows. */
async function offered({ config: { deployment } }: Service, repository: Repository) {
  const { remote, branch } = deployment
  const list = (channel: 'alpha' | 'beta') => listRemote(repository, { ...deployment, channel }, remote)
  const [head] = parseOffers(await list('alpha')).filter(({ name }) => name === `refs/heads/${branch}`)
  return {
    head: head ? { version: null, ref: head.name, commit: head.commit } : null,
    releases: releasesIn(parseOffers(await list('beta'))).map(targetOf),
  }
}
