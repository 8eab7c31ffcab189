import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Scope } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { checkoutOwner } from '../git/owner.ts'
import type { World } from '../system/world.ts'
import { launchdRemoval, planLaunchd } from './launchd/plan.ts'
import type { InstallPlan, RemovalPlan, UnitValues } from './plan.ts'
import { planSystemd, systemdRemoval } from './systemd/plan.ts'

/** How to take away what is installed for that manager, in that scope. */
export function planRemoval(world: World, manager: RemovalPlan['manager'], scope: Scope): RemovalPlan {
  const commands = manager === 'systemd' ? systemdRemoval(scope) : launchdRemoval(world, scope)
  return { manager, scope, ...commands }
}

/** Where the units belong: where the service runs, else where the configuration lies. */
export function scopeOf({ config, paths }: Service): Scope {
  return config.service?.scope ?? paths.scope
}

/** What installing is here. */
export function planInstall(service: Service, manager: InstallPlan['manager'], scope: Scope): InstallPlan {
  const { world, config, paths } = service
  const node = stableNode(world.program.node, existsSync)
  const values: UnitValues = {
    service: config.service?.name ?? null,
    node,
    bin: dirname(world.program.path),
    home: paths.home,
    config: paths.config,
    signal: paths.signal,
    computer: config.computer,
    environment: {
      TELEC_HOME: paths.home,
      HOME: world.home,
      ...(world.env.XDG_CONFIG_HOME ? { XDG_CONFIG_HOME: world.env.XDG_CONFIG_HOME } : {}),
      // Managers give a bare PATH; the install command finds the node that telec runs on, whatever installed it.
      PATH: `${dirname(node)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    },
    pollMs: config.deployment.poll_every,
    actsForOwner: scope === 'system' && checkoutOwner(world, config.deployment.checkout) !== null,
    listens: config.redis !== undefined,
  }
  return manager === 'systemd' ? planSystemd(service, values, scope) : planLaunchd(world, values, scope)
}

/**
 * Node.js by a path that outlives its next patch: Homebrew removes `Cellar/NAME/VERSION` at every upgrade, and points
 * `opt/NAME` at the new one. nvm, fnm, asdf and n keep a version until somebody removes it; `telec doctor` notices.
 */
export function stableNode(path: string, exists: (path: string) => boolean): string {
  const [, prefix, name] = /^(.*)\/Cellar\/([^/]+)\/[^/]+\/bin\/node$/.exec(path) ?? []
  const stable = `${prefix}/opt/${name}/bin/node`
  return prefix !== undefined && exists(stable) ? stable : path
}
