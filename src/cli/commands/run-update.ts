import type { Service } from '../../config/service.ts'
import { findService } from '../../service/find.ts'
import { handOver, isInsideService } from '../../service/systemd/hand-over.ts'
import { takeRequest, writeRequest } from '../../state/request.ts'
import { isoTime } from '../../system/world.ts'
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
    return handOver(service, unit.scope)
  }
  const request = await takeRequest(paths, world.now())
  return update(service, merged(asked, request))
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
