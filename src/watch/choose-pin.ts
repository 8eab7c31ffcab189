import compare from 'semver/functions/compare'
import { ruleOf, shortName } from '../channel/choices.ts'
import { nameOf, type Target } from '../channel/target.ts'
import type { Service } from '../config/service.ts'
import { areBehind } from '../git/checkout.ts'
import { locateRepository, type Repository } from '../git/repository.ts'
import { readChoices, writeChoices } from '../state/choices.ts'
import { hasMoved, readUpdateState, type UpdateState } from '../state/update-state.ts'
import { TelecError } from '../system/errors.ts'
import { acquireLock } from '../system/lock.ts'
import { isoTime } from '../system/world.ts'
import { adopt } from '../update/adopt.ts'
import { fetchNamed } from './find-target.ts'

/** Pins this computer to what a person named, if that is there and not older than what is deployed. */
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
        hint: `to pin it: telec unhold ${shortName(pin)} first`,
      })
    // One that is half-way is gone on with, and would be what is deployed then.
    const isHalfWay = update !== null && hasMoved(update)
    const base = isHalfWay ? update.target : deployed
    if (await isOlder(service, repository, pin, base))
      throw older(pin, base, isHalfWay ? 'to which an update has begun' : 'which is deployed')
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
  // A branch goes forwards also where somebody lowers the version in it.
  if (config.deployment.channel !== 'alpha' && pin.version !== null && base.version !== null)
    if (compare(pin.version, base.version) < 0) return true
  return areBehind(repository, [pin.commit], base.commit)
}

function older(pin: Target, base: Target, what: string): TelecError {
  return new TelecError('halted', `${nameOf(pin)} is older than ${nameOf(base)}, ${what}`, {
    because: 'a pin goes forwards only: to go back is a step of its own, with its checks',
    hint: `telec rollback --to ${shortName(pin)}, where it was deployed here; then, to stay there: telec pin ${shortName(pin)}`,
  })
}
