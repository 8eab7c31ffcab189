import { decide } from '../channel/decide.ts'
import { nameOf } from '../channel/target.ts'
import type { Service } from '../config/service.ts'
import { headCommit } from '../git/checkout.ts'
import { remoteUrl } from '../git/git.ts'
import { localChanges } from '../git/local-changes.ts'
import { parseOffers } from '../git/remote-refs.ts'
import { locateRepository } from '../git/repository.ts'
import { verifyTrustFiles } from '../git/signatures.ts'
import { expiredSigners } from '../git/signers.ts'
import { headTarget } from '../git/target.ts'
import { stillAs } from '../git/tracked-changes.ts'
import { publishedReleases } from '../releases/published.ts'
import { OF_ROOT, scopeOf } from '../service/installation.ts'
import { readChoices } from '../state/choices.ts'
import { readPause } from '../state/pause.ts'
import { CHANGED_HINT, describeChanged, lastChanged, readUpdateState } from '../state/update-state.ts'
import { readWatchState } from '../state/watch-state.ts'
import { TelecError } from '../system/errors.ts'
import { readText } from '../system/files.ts'
import { localTime } from '../system/local-time.ts'
import { isHeld } from '../system/lock.ts'
import { withoutLogins } from '../system/logins.ts'
import { afterHalt } from '../view/after-halt.ts'
import { verifyCheckout } from '../view/checkout.ts'
import { defaultIfMissing, onlyPublished } from '../watch/refs.ts'
import { listAsTimer } from './as-timer.ts'
import type { Checks } from './check.ts'
import { verifyUndamaged } from './repair.ts'

/** The checkout, the remote with its credentials, who may sign, and how the last update went. */
export const DEPLOYMENT_CHECKS: Checks = { checkout, remote, signers, update }

async function checkout(service: Service): Promise<string> {
  const { world, paths } = service
  const state = readUpdateState(paths)
  await verifyUndamaged(service)
  const repository = await verifyCheckout(service, state)
  const head = await headCommit(repository)
  const local = await localChanges(repository)
  const installed = state ? stillAs(repository, lastChanged(state)) : []
  const byHand = [...local.keys()].filter((path) => !installed.some((file) => file.path === path))
  const changes = [
    ...(byHand.length > 0 ? [`, ${byHand.length} file(s) changed by hand`] : []),
    ...(installed.length > 0 ? [`; ${describeChanged(installed)}: ${CHANGED_HINT}`] : []),
  ].join('')
  const isRoots = world.uid === 0 && scopeOf(service) === 'system'
  return `${repository.workTree} is at ${head.slice(0, 12)}${changes}${isRoots ? `; ${OF_ROOT}` : ''}`
}

/** The remote is asked as the timer's polls ask it, with the same credentials; where an API has a say, it is asked, too. */
async function remote(service: Service): Promise<string> {
  const { world, config, paths } = service
  const { deployment } = config
  const repository = locateRepository(world, deployment.checkout)
  const startedMs = world.monotonic()
  const refs = parseOffers(await listAsTimer(service, repository))
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
  const offers = deployment.channel === 'alpha' ? deployment.branch : `${refs.length} tag(s)`
  const releases = published ? `, ${published.length} release(s)` : ''
  const hasPassword = /:\/\/[^/\s@]*:[^/\s]*@/.test(await remoteUrl(repository, deployment.remote))
  return `${name} answers in ${seconds} s: ${offers}${releases}${hasPassword ? `; ${PASSWORD}` : ''}`
}

/** Nothing is wrong; but git hands URLs to programs of its own, whose arguments all users of a computer can read. */
const PASSWORD =
  'its URL holds a password, which other users can see while git runs: keep it in a credential helper (git help credentials)'

/** Nothing is wrong where a key has expired: commits that were signed before may be on their way. */
async function signers({ world, config }: Service): Promise<string> {
  const { deployment } = config
  const { verify, allowed_signers, keyring } = deployment
  if (verify === 'none') return 'whoever can push is believed (deployment.verify is none)'
  verifyTrustFiles(locateRepository(world, deployment.checkout), deployment)
  const files = [allowed_signers ?? [], keyring ?? []].flat().join(' and ')
  const text = allowed_signers === undefined ? '' : readText(allowed_signers)
  const expired = expiredSigners(text ?? '', world.now()).map(
    ({ name, line, at }) => `${name} (line ${line}, ${localTime(at.getTime())})`,
  )
  if (expired.length === 0) return `${verify}, by the keys of ${files}`
  return `${verify}, by the keys of ${files}; ${EXPIRED}: ${expired.join(', ')}`
}

/** What valid-before means to git: it compares it with the date that the commit itself gives. */
const EXPIRED =
  'these have expired, and still sign what is dated before that: once nothing of theirs is to come, move them to revoked_signers'

async function update(service: Service): Promise<string> {
  const { world, paths } = service
  const state = readUpdateState(paths)
  if (state?.halted) {
    const { step, target, error, because, hint } = state.halted
    const message = `halted at ${step} on the way to ${nameOf(target)}: ${error}`
    const { starts } = await afterHalt(service, state)
    const why = [because || [], starts ?? []].flat().join('\n')
    throw new TelecError('halted', message, { ...(why && { because: why }), ...(hint && { hint }) })
  }
  if (state?.update && !isHeld(world, paths.lock)) {
    const { starts } = await afterHalt(service, state)
    throw new TelecError(
      'later',
      `the update to ${nameOf(state.update.target)} did not end, and nothing works on it`,
      {
        ...(starts && { because: starts }),
        hint: 'the next poll has it go on, where a timer is active; now: telec-update',
      },
    )
  }
  const watch = readWatchState(paths)
  if (watch?.outcome === 'refused')
    throw new TelecError('halted', `not taken: ${watch.reason}`, { hint: 'see telec status' })
  const pause = readPause(paths, world.now())
  const paused = pause ? `, updates are paused since ${localTime(pause.since)}` : ''
  const { pin, held } = readChoices(paths)
  const pinned = pin ? `, pinned to ${nameOf(pin)} since ${localTime(pin.since)}` : ''
  const never = held.length > 0 ? `, never taken: ${held.map(nameOf).join(', ')}` : ''
  const deployed = state ? `${nameOf(state.deployed)} is deployed` : 'nothing is recorded yet'
  return `${deployed}${paused}${pinned}${never}`
}
