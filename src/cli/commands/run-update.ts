import type { Service } from '../../config/service.ts'
import { locateOfAnybody, ownerInsteadOfRoot } from '../../config/services.ts'
import { findService } from '../../service/find.ts'
import { handOver, isInsideService } from '../../service/systemd/hand-over.ts'
import { ownUnit, systemctl } from '../../service/systemd/systemctl.ts'
import { takeRequest, writeRequest } from '../../state/request.ts'
import { isoTime, type World } from '../../system/world.ts'
import { type UpdateOptions, update } from '../../update/execute.ts'

/**
 * Updates, or has telec-update's unit do it where this program would end with the service that it restarts.
 *
 * @returns the exit code.
 */
export async function runUpdate(service: Service, asked: UpdateOptions): Promise<number> {
  const { world, config, paths } = service
  const unit = config.service
  if (unit && findService(service) !== null && (await isInsideService(world, unit.scope, unit.names))) {
    await writeRequest(paths, { ...asked, permits: [...asked.permits], at: isoTime(world) })
    return handOver(service, unit.scope, 'this runs inside the service')
  }
  const request = await takeRequest(paths, world.now())
  return update(service, merged(asked, request))
}

/**
 * By root, for a service of another user's: what that user would be asked to type is done by the unit.
 *
 * @param polls whether the unit of the poll goes first.
 * @returns the exit code; null where this program does it.
 */
export async function runUnitInstead(world: World, polls: boolean): Promise<number | null> {
  if (world.uid !== 0) return null
  const paths = locateOfAnybody(world)
  const owner = ownerInsteadOfRoot(world, paths)
  if (owner === null || paths.scope !== 'system' || world.platform === 'darwin') return null
  if (polls) await systemctl(world, 'system', ['start', ownUnit(paths, 'telec-watch.service')], true)
  return handOver({ world, paths }, 'system', `telec runs as ${owner} here`)
}

/** What was asked for here, and what was handed over. */
function merged(here: UpdateOptions, there: UpdateOptions | null): UpdateOptions {
  if (there === null) return here
  return {
    retry: here.retry || there.retry,
    now: here.now || there.now,
    permits: [...new Set([...here.permits, ...there.permits])],
    rollback: here.rollback ?? there.rollback,
  }
}
