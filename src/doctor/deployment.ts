import { decide } from '../channel/decide.ts'
import { nameOf } from '../channel/target.ts'
import { type Service, scopeOf } from '../config/service.ts'
import { headCommit } from '../git/checkout.ts'
import { remoteUrl } from '../git/git.ts'
import { unchangedSince } from '../git/index-file.ts'
import { localChanges } from '../git/local-changes.ts'
import { parseRefs } from '../git/remote-refs.ts'
import { locateRepository } from '../git/repository.ts'
import { expiredSigners, verifyTrustFiles } from '../git/signatures.ts'
import { headTarget } from '../git/target.ts'
import { publishedReleases } from '../releases/published.ts'
import { OF_ROOT } from '../service/installation.ts'
import { readChoices } from '../state/choices.ts'
import { readPause } from '../state/pause.ts'
import { CHANGED_HINT, describeChanged, lastChanged, readUpdateState } from '../state/update-state.ts'
import { readWatchState } from '../state/watch-state.ts'
import { TelecError } from '../system/errors.ts'
import { readText } from '../system/files.ts'
import { localTime } from '../system/local-time.ts'
import { isHeld } from '../system/lock.ts'
import { withoutLogins } from '../system/logins.ts'
import { count } from '../system/plural.ts'
import { afterHalt, verifyCheckout } from '../view/checkout.ts'
import { defaultIfMissing, onlyPublished } from '../watch/refs.ts'
import { listAsTimer } from './as-timer.ts'
import type { Checks } from './check.ts'
import { verifyUndamaged } from './repair.ts'

/** The checkout, the remote with its credentials, the keys that may sign, and the last update. */
export const DEPLOYMENT_CHECKS: Checks = { checkout, remote, signers, update }

async function checkout(service: Service): Promise<string> {
  const { world, paths } = service
  const state = readUpdateState(paths)
  await verifyUndamaged(service)
  const repository = await verifyCheckout(service, state)
  const head = await headCommit(repository)
  const installed = state ? unchangedSince(repository, lastChanged(state)) : []
  const local = [...(await localChanges(repository)).keys()]
  const byUser = local.filter((path) => !installed.some((file) => file.path === path))
  const isRoots = world.uid === 0 && scopeOf(service) === 'system'
  return [
    `${repository.workTree} is at ${head.slice(0, 12)}`,
    ...(byUser.length > 0 ? [count(byUser.length, 'local change')] : []),
    ...(installed.length > 0 ? [`${describeChanged(installed)}: ${CHANGED_HINT}`] : []),
    ...(isRoots ? [OF_ROOT] : []),
  ].join('; ')
}

/** Lists the refs of the remote as the timer's polls do, with the same credentials, and asks the API of releases. */
async function remote(service: Service): Promise<string> {
  const { world, config, paths } = service
  const { deployment } = config
  const repository = locateRepository(world, deployment.checkout)
  const startedMs = world.monotonic()
  const refs = parseRefs(await listAsTimer(service, repository))
  const seconds = ((world.monotonic() - startedMs) / 1000).toFixed(1)
  const name = withoutLogins(deployment.remote)
  const published =
    deployment.releases === 'tags' ? null : await publishedReleases(service, repository, deployment.releases)
  const decision = decide(deployment, published ? onlyPublished(refs, published) : refs, {
    deployed: readUpdateState(paths)?.deployed ?? (await headTarget(repository, deployment)),
    seen: [],
    now: world.now(),
    defaultBranch: await defaultIfMissing(repository, deployment, refs),
  })
  if (decision.kind === 'missing')
    throw new TelecError('config', `${name}: ${decision.reason}`, { hint: decision.hint })
  const found = deployment.channel === 'alpha' ? deployment.branch : count(refs.length, 'tag')
  const releases = published ? `, ${count(published.length, 'release')}` : ''
  const hasPassword = /:\/\/[^/\s@]*:[^/\s]*@/.test(await remoteUrl(repository, deployment.remote))
  return `${name} answers in ${seconds} s: ${found}${releases}${hasPassword ? `; ${PASSWORD}` : ''}`
}

/** git passes URLs to its own programs as arguments, which all users can read. */
const PASSWORD =
  'its URL contains a password, which other users can see while git runs: use a credential helper (git help credentials)'

/** Expired keys are no fault: commits with their signatures may still come. */
async function signers({ world, config }: Service): Promise<string> {
  const { deployment } = config
  const { verify, allowed_signers, keyring } = deployment
  if (verify === 'none') return 'telec trusts every user who can push (deployment.verify is none)'
  verifyTrustFiles(locateRepository(world, deployment.checkout), deployment)
  const files = [allowed_signers ?? [], keyring ?? []].flat().join(' and ')
  const text = allowed_signers === undefined ? '' : readText(allowed_signers)
  const expired = expiredSigners(text ?? '', world.now()).map(
    ({ name, line, at }) => `${name} (line ${line}, ${localTime(at.getTime())})`,
  )
  const note = expired.length > 0 ? `; ${EXPIRED}: ${expired.join(', ')}` : ''
  return `${verify}, by the keys of ${files}${note}`
}

/** git compares valid-before with the date in the commit. */
const EXPIRED =
  'these keys have expired, and still sign commits with an older date; once none of those is left to deploy, move the keys to revoked_signers'

async function update(service: Service): Promise<string> {
  const { world, paths } = service
  const state = readUpdateState(paths)
  if (state?.halted) {
    const { step, target, error, because, hint } = state.halted
    const message = `the update to ${nameOf(target)} halted at ${step}: ${error}`
    const { starts } = await afterHalt(service, state)
    const why = [because || [], starts ?? []].flat().join('\n')
    throw new TelecError('halted', message, { ...(why && { because: why }), ...(hint && { hint }) })
  }
  if (state?.update && !isHeld(world, paths.lock)) {
    const { starts } = await afterHalt(service, state)
    throw new TelecError('later', `the update to ${nameOf(state.update.target)} was interrupted`, {
      ...(starts && { because: starts }),
      hint: 'resume it: telec-update; an active timer does so at the next poll',
    })
  }
  const watch = readWatchState(paths)
  if (watch?.outcome === 'refused')
    throw new TelecError('halted', `not taken: ${watch.reason}`, { hint: 'run telec status' })
  const pause = readPause(paths, world.now())
  const { pin, held } = readChoices(paths)
  return [
    state ? `${nameOf(state.deployed)} is deployed` : 'nothing is deployed yet',
    ...(pause ? [`paused since ${localTime(pause.since)}`] : []),
    ...(pin ? [`pinned to ${nameOf(pin)} since ${localTime(pin.since)}`] : []),
    ...(held.length > 0 ? [`held: ${held.map(nameOf).join(', ')}`] : []),
  ].join(', ')
}
