import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Service } from '../config/service.ts'
import { checkoutOwner } from '../git/owner.ts'
import type { World } from '../system/world.ts'
import { launchdRemoval, planLaunchd } from './launchd/plan.ts'
import type { UnitValues } from './render.ts'
import { planSystemd, systemdRemoval } from './systemd/plan.ts'
import type { Scope } from './systemd/systemctl.ts'

/** How an installation is taken away; it takes no configuration to know that. */
export interface RemovalPlan {
  readonly manager: 'systemd' | 'launchd'
  readonly scope: Scope
  /** Run in this order before the files are removed. */
  readonly stop: readonly PlannedCommand[]
  /** Run after the files were removed. */
  readonly forget: readonly PlannedCommand[]
}

/** Everything that an installation is, as data: printed by `--print`, carried out by `install`. */
export interface InstallPlan {
  readonly manager: 'systemd' | 'launchd'
  readonly scope: Scope
  readonly files: readonly PlannedFile[]
  /** All of them succeed where it is installed and at work. */
  readonly probes: readonly PlannedCommand[]
  /** Run in this order before; one that fails had nothing to undo. */
  readonly before: readonly PlannedCommand[]
  /** Run in this order after the files are in place. */
  readonly start: readonly PlannedCommand[]
}

export interface PlannedCommand {
  readonly argv: readonly string[]
  /** It fails where there is nothing to do. */
  readonly mayFail?: boolean
  /** After these exit codes it is run again for some seconds. */
  readonly againAfter?: readonly number[]
}

export interface PlannedFile {
  readonly path: string
  readonly text: string
}

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
