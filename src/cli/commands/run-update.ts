import type { Paths } from '../../config/paths.ts'
import type { Service } from '../../config/service.ts'
import { commandFor, locateOfAnybody, ownerInsteadOfRoot } from '../../config/services.ts'
import { findService } from '../../service/find.ts'
import { handOver, isInsideService } from '../../service/systemd/hand-over.ts'
import { ownUnit, showUnit, systemctl } from '../../service/systemd/systemctl.ts'
import { takeRequest, writeRequest } from '../../state/request.ts'
import { EXIT, shellWord } from '../../system/errors.ts'
import { isoTime, type World } from '../../system/world.ts'
import { type UpdateOptions, update } from '../../update/execute.ts'

/**
 * Updates. Inside the service, where the restart would end this program too, telec-update's unit does it.
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
  if (request === null) return update(service, asked)
  return update(service, {
    retry: asked.retry || request.retry,
    now: asked.now || request.now,
    permits: [...new Set([...asked.permits, ...request.permits])],
    rollback: asked.rollback ?? request.rollback,
  })
}

/**
 * Where root updates the service of another user, that user's unit does it.
 *
 * @param polls whether telec-watch's unit runs first.
 * @returns the exit code; null: this program has to update.
 */
export async function runUnitInstead(world: World, polls: boolean): Promise<number | null> {
  if (world.uid !== 0) return null
  const paths = locateOfAnybody(world)
  const owner = ownerInsteadOfRoot(world, paths)
  if (owner === null || paths.scope !== 'system' || world.platform === 'darwin') return null
  const polled = polls ? await runWatcher(world, paths, owner) : EXIT.done
  return (await handOver({ world, paths }, 'system', `telec runs as ${owner} here`)) || polled
}

/** @returns the exit code of a poll. */
async function runWatcher(world: World, paths: Paths, owner: string): Promise<number> {
  const unit = ownUnit(paths, 'telec-watch.service')
  await systemctl(world, 'system', ['start', unit], true)
  const { ExecMainStatus: code } = await showUnit(world, 'system', unit, ['ExecMainStatus'])
  if (code !== '0')
    world.log.warning(
      `the poll failed with exit code ${code}; to see why: sudo -u ${shellWord(owner)} ${commandFor(paths, 'telec watch')}`,
    )
  return Number(code)
}
