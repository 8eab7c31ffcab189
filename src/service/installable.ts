import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { LOOKOUT, type Scope } from '../config/paths.ts'
import type { ServiceConfig } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { locateRepository, type Repository } from '../git/repository.ts'
import { actAs } from '../system/account.ts'
import { TelecError } from '../system/errors.ts'
import { isForeign, wayTo } from '../system/trust.ts'
import type { World } from '../system/world.ts'
import { tryCommand } from './commands.ts'
import { stableNode } from './installation.ts'
import { launchdDomain } from './launchd/manager.ts'
import { otherServices, verifyNothingShared, verifyUnitsOwn } from './others.ts'
import type { InstallPlan } from './plan.ts'
import { showUnit, unitName } from './systemd/systemctl.ts'

/** The first systemd that has `Type=exec`. */
const LEAST_SYSTEMD = 240

/** Checks that the plan can work here. Throws a TelecError that says what to do first. */
export async function verifyInstallable(service: Service, plan: InstallPlan): Promise<void> {
  const { world, config } = service
  const { scope } = plan
  if (scope === 'system' && world.uid !== 0)
    throw new TelecError('usage', 'only root can install for the system scope', {
      hint: 'sudo telec install, or set service.scope: user',
    })
  const files = plan.files.map(({ path }) => path)
  verifyUnitsOwn(service.paths, files)
  verifyNothingShared(service, await otherServices(world, service.paths))
  verifyPrograms(world, scope)
  // In system scope the watcher has a /tmp of its own (systemd.exec(5), PrivateTmp=).
  const paths = [world.program.path, stableNode(world), config.deployment.checkout]
  const temporary = paths.find((path) => /^\/(var\/)?tmp\//.test(path))
  if (scope === 'system' && temporary)
    throw new TelecError('config', `${temporary} is in a folder for temporary files`, {
      hint: 'move it where it stays, such as /opt or /srv',
    })
  await verifyOwnerCanRun(locateRepository(world, config.deployment.checkout))
  if (plan.manager === 'launchd') return verifyLaunchd(world, scope)
  await verifySystemd(world, scope)
  if (config.service) await verifyUnits(world, config.service, scope)
}

/** What the units will start: all of the bundles, where they stay, and for root nothing that others can change. */
export function verifyPrograms(world: World, scope: Scope): string {
  const { path } = world.program
  const node = stableNode(world)
  const bin = dirname(path)
  for (const name of ['telec', 'telec-watch', 'telec-update'])
    if (!existsSync(join(bin, name)))
      throw new TelecError('config', `${join(bin, name)} is missing`, {
        hint: `telec's programs belong into one folder: copy all of them to ${bin}`,
      })
  if (/\/_npx\//.test(bin))
    throw new TelecError('config', `npx keeps telec in ${bin}, which it will remove`, {
      hint: 'install it where it stays: npm install --global telec',
    })
  if (scope === 'system') for (const program of [node, path]) verifyForRoot(world, program)
  return `${node}, ${path}`
}

/** What root starts every minute must not be somebody else's to replace; and LOOKOUT has to be able to start it, too. */
function verifyForRoot({ platform }: World, program: string): void {
  const way = wayTo(program)
  const weak = way.findLast((place) => place.writers || isForeign(place, 0))
  if (weak) {
    const message = `${weak.path} can be changed by others than root, and root would run ${program}`
    throw new TelecError('config', message, {
      hint: 'put telec and Node.js where only root writes (/usr/local/bin), or install for the user: service.scope: user',
    })
  }
  const closed = way.findLast(({ path, mode }) => ~mode & (path === program ? 0o005 : 0o001))
  if (closed && platform === 'linux')
    throw new TelecError('config', `only root can run ${program}: ${closed.path} lets nobody else in`, {
      because: `${LOOKOUT.user}, a user without any rights, looks for new versions`,
      hint: 'put telec and Node.js where everybody may run them (/usr/local/bin), and run telec install with those',
    })
}

/** Migrations are run as the checkout's owner, by the Node.js that telec runs on. */
export async function verifyOwnerCanRun({ world, owner, workTree }: Repository): Promise<void> {
  if (owner === null) return
  const node = stableNode(world)
  const as = actAs(world, owner)
  const result = await as.run(node, ['--version'], { env: as.env, timeoutMs: 30_000 })
  if (result.code === 0) return
  throw new TelecError('config', `${owner.name}, whose checkout ${workTree} is, cannot run ${node}`, {
    because: result.stderr.trim(),
    hint: 'install a Node.js that everybody may run (/usr/local/bin), and run telec install with that one',
  })
}

/** Throws where there is no session that agents could run in: launchctl(1) answers 112 or 125 then. */
async function verifyLaunchd(world: World, scope: Scope): Promise<void> {
  const domain = launchdDomain(world, scope)
  const { code, stderr } = await tryCommand(world, ['launchctl', 'print', domain])
  if (code === 0) return
  throw new TelecError('config', `launchd has no domain ${domain}`, {
    because: stderr.trim() || `launchctl print ${domain}: exit code ${code}`,
    hint: 'log in at the desktop of this user once, or install for the computer: service.scope: system',
  })
}

/** Throws where no systemd of this scope answers, or one that is too old. */
export async function verifySystemd(world: World, scope: Scope): Promise<string> {
  const answer = await tryCommand(world, ['systemctl', `--${scope}`, 'show', '--property=Version', '--value'])
  const linger = `let it run without a login: sudo loginctl enable-linger ${world.user()}. `
  if (answer.code !== 0)
    throw new TelecError('config', `systemd (--${scope}) does not answer`, {
      because: answer.stderr.trim(),
      hint: `${scope === 'user' ? linger : ''}Where there is no systemd: telec run -- COMMAND`,
    })
  const version = answer.stdout.trim() // 252.39-1~deb12u1
  if (Number.parseInt(version, 10) < LEAST_SYSTEMD)
    throw new TelecError('config', `systemd ${version} is too old`, {
      hint: `telec's units need systemd ${LEAST_SYSTEMD} or newer; without: telec run -- COMMAND`,
    })
  return `systemd ${version} (--${scope}) answers`
}

/** Throws where two of the service's units are one by an alias, or one of them cannot be had. */
async function verifyUnits(world: World, { names, restart }: ServiceConfig, scope: Scope): Promise<void> {
  const known = new Map<string, string>()
  for (const name of names) {
    const id = await verifyUnit(world, name, restart, scope)
    const same = known.get(id)
    if (same !== undefined)
      throw new TelecError('config', `service.name has ${same} and ${name}, which are one unit: ${id}`, {
        hint: 'name it once',
      })
    known.set(id, name)
  }
}

/** Throws where a unit does not exist, or would not load any more with telec's drop-in. @returns systemd's own name of it. */
async function verifyUnit(
  world: World,
  name: string,
  restart: ServiceConfig['restart'],
  scope: Scope,
): Promise<string> {
  const { LoadState, Type, Id } = await showUnit(world, scope, unitName(name), ['LoadState', 'Type', 'Id'])
  const wrong = (message: string, hint: string) => new TelecError('config', message, { hint })
  if (LoadState === 'not-found')
    throw wrong(
      `service.name is ${name}, a unit that systemd (--${scope}) does not know`,
      `write the unit first, or set service.scope; the units there are: systemctl --${scope} list-unit-files`,
    )
  if (Type === 'oneshot' && restart === 'exit-42')
    throw wrong(
      `${name} is of Type=oneshot, for which systemd refuses RestartForceExitStatus=`,
      'set service.restart: manager, or none; or give the unit another type',
    )
  return Id
}

/** Throws where the user's units end with their last session (loginctl(1)). */
export async function verifyLinger(world: World): Promise<string> {
  const username = world.user()
  if (existsSync(`/var/lib/systemd/linger/${username}`)) return `${username} lingers`
  throw new TelecError('config', `the units of ${username} run only while somebody is logged in`, {
    hint: `so that they start at boot and outlive a logout: sudo loginctl enable-linger ${username}`,
  })
}
