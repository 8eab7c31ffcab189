import compare from 'semver/functions/compare'
import { distinct, isCalled, type Name, parseName, ruleOf, shortName } from '../channel/choices.ts'
import { releasesIn, targetOf } from '../channel/releases.ts'
import { nameOf, type Target } from '../channel/target.ts'
import type { Service } from '../config/service.ts'
import { commitsStarting, isBehind } from '../git/checkout.ts'
import { fetchTarget } from '../git/fetch.ts'
import { listRemote, parseRefs } from '../git/remote-refs.ts'
import { locateRepository, type Repository } from '../git/repository.ts'
import { declaredBy } from '../git/target.ts'
import { readChoices, writeChoices } from '../state/choices.ts'
import { readSignal } from '../state/signal.ts'
import { asTarget, hasMoved, readUpdateState, type UpdateState } from '../state/update-state.ts'
import { readWatchState } from '../state/watch-state.ts'
import { shellWord, TelecError } from '../system/errors.ts'
import { acquireLock } from '../system/lock.ts'
import { isoTime } from '../system/world.ts'
import { adopt } from '../update/adopt.ts'

/** Pins this computer to the target that a text names. Throws `halted` if it is held, or older than the deployed one. */
export async function choosePin(
  service: Service,
  text: string,
): Promise<{ pin: Target; state: UpdateState }> {
  const { world, config, paths } = service
  const repository = locateRepository(world, config.deployment.checkout)
  const lock = acquireLock(world, paths.lock)
  try {
    const state = readUpdateState(paths) ?? (await adopt(service, repository))
    const { deployed, update } = state
    const pin = await fetchNamed(service, repository, state, text)
    const choices = readChoices(paths)
    const rule = ruleOf({ pin: null, held: choices.held }, pin)
    if (rule !== null)
      throw new TelecError('halted', `${nameOf(pin)} ${rule}`, {
        hint: `run telec unhold ${shortName(pin)} first`,
      })
    // telec-update resumes an update that has moved the checkout, and deploys its target before the pin.
    const resumed = update !== null && hasMoved(update) ? update.target : null
    if (await isOlder(service, repository, pin, resumed ?? deployed)) {
      const base = resumed
        ? `${nameOf(resumed)}, whose update has begun`
        : `${nameOf(deployed)}, which is deployed`
      throw new TelecError('halted', `${nameOf(pin)} is older than ${base}`, {
        because: 'a pin never takes an older version',
        hint: `roll back first, then pin: telec rollback --to ${shortName(pin)}; telec pin ${shortName(pin)}`,
      })
    }
    await writeChoices(paths, { ...choices, pin: { ...pin, since: isoTime(world) } })
    return { pin, state }
  } finally {
    lock.release()
  }
}

async function isOlder(
  { config }: Service,
  repository: Repository,
  pin: Target,
  base: Target,
): Promise<boolean> {
  if (pin.commit === base.commit) return false
  // On a branch the order of commits counts: a newer commit may declare a lower version.
  if (config.deployment.channel !== 'alpha' && pin.version !== null && base.version !== null)
    if (compare(pin.version, base.version) < 0) return true
  return isBehind(repository, pin.commit, base.commit)
}

/** The target that a text names, by version or commit: one that this computer knows, else one of the remote. */
export async function findTarget(
  service: Service,
  repository: Repository,
  state: UpdateState,
  text: string,
): Promise<Target> {
  const name = parseName(text)
  // On alpha many commits may have one version: the user most often means the deployed one.
  if ('version' in name && isCalled(state.deployed, name)) return asTarget(state.deployed)
  const known = distinct([...recorded(service, state), ...(await local(service, repository, name))])
  const here = known.filter((one) => isCalled(one, name))
  if (here.length > 0) return theOnly(here, text)
  const { heads, releases } = await listed(service, repository)
  const found = [...releases, ...heads].filter((one) => isCalled(one, name))
  const [first] = found
  if (!first) throw unknown(service, text, releases)
  // Of `v1.0.0` and `1.0.0` the channel takes the first.
  return 'version' in name ? first : theOnly(distinct(found), text)
}

/** The target that a text names: fetched from the remote, with its declared version. The caller has telec's lock. */
async function fetchNamed(
  service: Service,
  repository: Repository,
  state: UpdateState,
  text: string,
): Promise<Target> {
  const { deployed } = state
  const { deployment } = service.config
  const name = parseName(text)
  const others = (await local(service, repository, name)).filter(({ commit }) => commit !== deployed.commit)
  if (isCalled(deployed, name) && others.length === 0) return asTarget(deployed)
  const { heads, releases } = await listed(service, repository)
  const [head] = heads
  if (head) await fetchTarget(repository, deployment, head)
  const tagged = 'version' in name ? releases.find((one) => isCalled(one, name)) : undefined
  // After the fetch git finds a commit by its first digits.
  const known = [...releases, ...heads, ...recorded(service, state)]
  const all = distinct([...known, ...(await local(service, repository, name))])
  const found = tagged ? [tagged] : all.filter((one) => isCalled(one, name))
  if (found.length === 0) throw unknown(service, text, releases)
  const target = theOnly(found, text)
  const isTagged = releases.some(({ commit }) => commit === target.commit)
  const branch = head && (await isBehind(repository, target.commit, head.commit)) ? head.ref : null
  if (!isTagged && branch === null)
    throw new TelecError('halted', `the remote does not have ${nameOf(target)}`, {
      because: `it is no release, and no commit of ${deployment.branch}`,
      hint: `push it, or choose another one: git ls-remote ${shellWord(deployment.remote)}`,
    })
  const isByBranch = branch !== null && (deployment.channel === 'alpha' || !isTagged)
  const fetched = isByBranch ? { ...target, ref: branch } : target
  await fetchTarget(repository, deployment, fetched)
  const { version } = await declaredBy(repository, fetched, deployment.version_file)
  return { ...fetched, version }
}

function theOnly(found: readonly Target[], text: string): Target {
  const [only, ...others] = found
  if (only && others.length === 0) return only
  throw new TelecError('usage', `${text} could be ${found.length} commits`, {
    because: found.slice(0, MOST_NAMED).map(nameOf).join('\n'),
    hint: 'give more digits of the commit',
  })
}

/** In one message. */
const MOST_NAMED = 10

function unknown({ config }: Service, text: string, releases: readonly Target[]): TelecError {
  const { branch, remote } = config.deployment
  const newest = releases.slice(0, MOST_NAMED).map(nameOf)
  return new TelecError('halted', `neither this computer nor the remote knows ${text}`, {
    because: newest.length > 0 ? `its newest releases are\n${newest.join('\n')}` : 'it has no release',
    hint: `push it; name a commit of ${branch} by its digits: git ls-remote ${shellWord(remote)}`,
  })
}

/** The targets in the state files, newest first. */
function recorded({ paths }: Service, { deployed, previous, rolled_back, update }: UpdateState): Target[] {
  const watch = readWatchState(paths)
  const signalled = [readSignal(paths)?.target ?? [], watch?.target ?? []].flat()
  // Heads that wait for `min_age`. Releases that wait have a version at the remote.
  const heads = (watch?.seen ?? []).filter(({ ref }) => ref.startsWith('refs/heads/')).toReversed()
  const seen = heads.map(({ ref, commit }) => ({ version: null, ref, commit }))
  const before = [update?.target ?? [], rolled_back?.targets ?? [], previous.toReversed()].flat()
  return distinct([deployed, ...before, ...signalled, ...seen].map(asTarget))
}

/** Commits in the repository. It cannot be searched for a version. */
async function local({ config }: Service, repository: Repository, name: Name): Promise<Target[]> {
  if ('version' in name) return []
  const ref = `refs/heads/${config.deployment.branch}`
  return (await commitsStarting(repository, name.commit)).map((commit) => ({ version: null, ref, commit }))
}

/** The head of the branch and the releases at the remote, on any channel. */
async function listed({ config: { deployment } }: Service, repository: Repository) {
  const { remote, branch } = deployment
  const list = async (channel: 'alpha' | 'beta') =>
    parseRefs(await listRemote(repository, { ...deployment, channel }, remote))
  const heads = (await list('alpha')).filter(({ name }) => name === `refs/heads/${branch}`)
  return {
    heads: heads.map(({ name: ref, commit }): Target => ({ version: null, ref, commit })),
    releases: releasesIn(await list('beta')).map(targetOf),
  }
}
