import type { ServiceConfig } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { launchdManager } from './launchd/manager.ts'
import { rootsJob } from './launchd/plists.ts'
import type { ServiceManager } from './manager.ts'
import { embeddedManager, readSupervisor } from './run/manager.ts'
import { rootFor } from './systemd/by-root.ts'
import { systemdManager } from './systemd/manager.ts'

/** The units of the service and how they are restarted; null where nobody but the caller restarts anything. */
export interface Supervised {
  /** One for each unit, in the order in which they are restarted; at least one. */
  readonly managers: readonly [ServiceManager, ...ServiceManager[]]
  readonly restart: Exclude<ServiceConfig['restart'], 'none'>
}

/** Finds the manager that the service runs under: a live `telec run` of this home, else the computer's own. */
export function findService(service: Service): Supervised | null {
  const { world, config, paths } = service
  const unit = config.service
  const restart = unit?.restart ?? 'exit-42'
  if (restart === 'none') return null
  if (readSupervisor(service)) return { managers: [embeddedManager(service)], restart }
  if (!unit) return null
  const { names, scope } = unit
  const isDarwin = world.platform === 'darwin'
  const isObeyed = scope === 'user' || world.uid === 0
  const managerOf = (name: string, index: number) =>
    isDarwin
      ? launchdManager(world, name, scope, isObeyed ? null : rootsJob(paths, index))
      : systemdManager(world, name, scope, isObeyed ? null : rootFor(paths, index))
  const [first, ...others] = names.map(managerOf)
  return first === undefined ? null : { managers: [first, ...others], restart }
}
