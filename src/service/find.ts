import type { ServiceConfig } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { launchdManager } from './launchd/manager.ts'
import type { ServiceManager } from './manager.ts'
import { embeddedManager, readSupervisor } from './run/manager.ts'
import { systemdManager } from './systemd/manager.ts'

/** The service and how it is restarted on this computer; null where nobody but the caller restarts anything. */
export interface Supervised {
  readonly manager: ServiceManager
  readonly restart: Exclude<ServiceConfig['restart'], 'none'>
}

/** Finds the manager that the service runs under: a live `telec run` of this home, else the computer's own. */
export function findService(service: Service): Supervised | null {
  const { world, config } = service
  const unit = config.service
  const restart = unit?.restart ?? 'exit-42'
  if (restart === 'none') return null
  if (readSupervisor(service)) return { manager: embeddedManager(service), restart }
  if (!unit) return null
  const native = world.platform === 'darwin' ? launchdManager : systemdManager
  return { manager: native(world, unit.name, unit.scope), restart }
}
