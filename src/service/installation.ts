import { dirname, isAbsolute, join } from 'node:path'
import type { Scope } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { checkoutOwner } from '../git/repository.ts'
import { realPath } from '../system/places.ts'
import type { World } from '../system/world.ts'
import { unitEnvironment } from './environment.ts'
import { planLaunchd } from './launchd/plan.ts'
import type { InstallPlan, UnitValues } from './plan.ts'
import { planSystemd } from './systemd/plan.ts'

/** What to say of root's checkout, in system scope. */
export const OF_ROOT =
  'the checkout belongs to root, and so root runs each push: give it to another user (chown -R USER), and run telec install again'

/** @param node the Node.js of the units. */
export function planInstall(
  service: Service,
  manager: InstallPlan['manager'],
  scope: Scope,
  node = stableNode(service.world),
): InstallPlan {
  const { world, config } = service
  const owner = scope === 'system' ? checkoutOwner(config.deployment.checkout) : null
  const values: UnitValues = {
    ...service,
    scope,
    node,
    bin: dirname(world.program.path),
    environment: unitEnvironment(service, manager, owner, node),
    owner,
  }
  return manager === 'systemd' ? planSystemd(values) : planLaunchd(values)
}

/** Package managers that remove a version's folder at an upgrade, and their link to the current one. */
const CURRENT: readonly (readonly [RegExp, string])[] = [
  [/\/Cellar\/([^/]+)\/[^/]+\/bin\/node$/, '/opt/$1/bin/node'], // Homebrew
  [/^(.*\/snap\/[^/]+)\/\d+\/bin\/node$/, '$1/current/bin/node'],
]

/** Links that end with a shell (fnm), a login or a project: before the units do. */
const PASSING = /\/fnm_multishells\/|^\/run\/user\/|^\/tmp\/|^\/var\/tmp\/|\/node_modules\//

/**
 * A path of this Node.js that outlives its upgrade: its package manager's link to the current version, else the `node`
 * of PATH that leads to it (an alternative, a version manager's alias), else its own.
 *
 * @param follow gives the real path; null where there is none.
 */
export function stableNode({ program, env }: World, follow = realPath): string {
  const { node } = program
  const links = CURRENT.map(([own, link]) => node.replace(own, link)).filter((path) => path !== node)
  const found = (env.PATH ?? '').split(':').map((folder) => join(folder, 'node'))
  const lasting = found.filter((path) => isAbsolute(path) && !PASSING.test(path))
  return [...links, ...lasting].find((path) => follow(path) === follow(node)) ?? node
}
