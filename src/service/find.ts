import { restartRequest, restartUnit } from '../config/paths.ts'
import type { ServiceConfig } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { takesCommands } from './by-root.ts'
import { launchdManager } from './launchd/manager.ts'
import { ownLabel } from './launchd/plan.ts'
import type { ServiceManager } from './manager.ts'
import { embeddedManager, readSupervisor } from './run/manager.ts'
import { systemdManager } from './systemd/manager.ts'
import { ownUnit } from './systemd/systemctl.ts'

/** The units of the service, and how they are restarted. */
export interface Supervised {
  /** One for each unit, in the order of their restarts. */
  readonly managers: readonly [ServiceManager, ...ServiceManager[]]
  readonly restart: Exclude<ServiceConfig['restart'], 'none'>
}

/** The managers of the service: a live `telec run` of this home, else the computer's own. Null: telec restarts nothing. */
export function findService(service: Service): Supervised | null {
  const { world, config, paths } = service
  const unit = config.service
  const restart = unit?.restart ?? 'exit-42'
  if (restart === 'none') return null
  if (readSupervisor(service)) return { managers: [embeddedManager(service)], restart }
  if (!unit) return null
  const { names, scope } = unit
  const [manager, ownName] =
    world.platform === 'darwin' ? [launchdManager, ownLabel] : [systemdManager, ownUnit]
  const managerOf = (name: string, index: number) => {
    const root = { name: ownName(paths, restartUnit(index)), request: restartRequest(paths, index) }
    return manager(world, name, scope, takesCommands(world, scope) ? null : root)
  }
  const [first, ...others] = names.map(managerOf)
  return first === undefined ? null : { managers: [first, ...others], restart }
}
