import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Scope } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { UNNAMED } from '../config/services.ts'
import { checkoutOwner } from '../git/owner.ts'
import { planLaunchd } from './launchd/plan.ts'
import type { InstallPlan, UnitValues } from './plan.ts'
import { planSystemd } from './systemd/plan.ts'

/** Where the units belong: where the service runs, else where the configuration lies. */
export function scopeOf({ config, paths }: Service): Scope {
  return config.service?.scope ?? paths.scope
}

/** What installing is here. */
export function planInstall(service: Service, manager: InstallPlan['manager'], scope: Scope): InstallPlan {
  const { world, config, paths } = service
  const node = stableNode(world.program.node, existsSync)
  const values: UnitValues = {
    ...service,
    scope,
    node,
    bin: dirname(world.program.path),
    environment: {
      TELEC_HOME: paths.home,
      // A home of `services/` says which service it is; that around it has to be told from those in it.
      ...(paths.name === null && { TELEC_NAME: UNNAMED }),
      HOME: world.home,
      ...(world.env.XDG_CONFIG_HOME && { XDG_CONFIG_HOME: world.env.XDG_CONFIG_HOME }),
      // Managers give a bare PATH; the install command finds the node that telec runs on, whatever installed it.
      PATH: `${dirname(node)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    },
    actsForOwner: scope === 'system' && checkoutOwner(world, config.deployment.checkout) !== null,
  }
  return manager === 'systemd' ? planSystemd(values) : planLaunchd(values)
}

/** Homebrew removes `Cellar/NAME/VERSION` at every upgrade of Node.js, and points `opt/NAME` at the new one. */
export function stableNode(path: string, exists: (path: string) => boolean): string {
  const stable = path.replace(/\/Cellar\/([^/]+)\/[^/]+\/bin\/node$/, '/opt/$1/bin/node')
  return exists(stable) ? stable : path
}
