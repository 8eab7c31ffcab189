import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Paths, Scope } from '../config/paths.ts'
import type { ServiceConfig } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { checkoutOwner } from '../git/owner.ts'
import { locateRepository } from '../git/repository.ts'
import { readInstalled } from '../state/installed.ts'
import type { Account } from '../system/account.ts'
import { TelecError } from '../system/errors.ts'
import { weakPlace } from '../system/trust.ts'
import type { World } from '../system/world.ts'
import { tryCommand } from './commands.ts'
import { stableNode } from './installation.ts'
import { launchdDomain } from './launchd/manager.ts'
import { printed } from './launchd/print.ts'
import { type Other, otherServices, verifyNothingShared, verifyUnitsOwn } from './others.ts'
import type { InstallPlan } from './plan.ts'
import { showUnit, unitName } from './systemd/systemctl.ts'

/** The first systemd that has `Type=exec`. */
const LEAST_SYSTEMD = 240

/** Checks that the plan can work here. Throws a TelecError that says what to do first. */
export async function verifyInstallable(service: Service, plan: InstallPlan): Promise<void> {
  const { world, config } = service
  const { scope, owner } = plan
  if (scope === 'system' && world.uid !== 0)
    throw new TelecError('usage', 'only root can install for the system scope', {
      hint: 'sudo telec install, or set service.scope: user',
    })
  const files = plan.files.map(({ path }) => path)
  verifyUnitsOwn(service.paths, files)
  const others = await otherServices(world, service.paths)
  verifyNothingShared(service, others)
  if (owner) verifyHomeOfOwner(service.paths, owner, others)
  else locateRepository(world, config.deployment.checkout)
  verifyPrograms(world, owner)
  // In system scope the watcher has a /tmp of its own (systemd.exec(5), PrivateTmp=).
  const paths = [world.program.path, stableNode(world), config.deployment.checkout]
  const temporary = paths.find((path) => /^\/(var\/)?tmp\//.test(path))
  if (scope === 'system' && temporary)
    throw new TelecError('config', `${temporary} is in a folder for temporary files`, {
      hint: 'move it where it stays, such as /opt or /srv',
    })
  if (plan.manager === 'launchd') {
    verifyFolders(plan)
    return verifyLaunchd(world, scope)
  }
  await verifySystemd(world, scope)
  if (config.service) await verifyUnits(world, config.service, scope)
}

/** Throws where somebody else than root and the owner could replace what telec reads there. */
function verifyHomeOfOwner(paths: Paths, owner: Account, others: readonly Other[]): void {
  const { home, config, scope, name } = paths
  if (scope !== 'system' && owner.uid !== 0)
    throw new TelecError(
      'config',
      `${config} is not where ${owner.name}, whose checkout it is, could read it`,
      {
        because: "service.scope is system: telec's units run as the owner of the checkout",
        hint: 'configure it in /etc/telec: telec init --system',
      },
    )
  // The home of the service without a name has the others in it.
  const nested = others.filter(
    (other) => other.paths.scope === 'system' && (name === null || other.paths.name === null),
  )
  for (const other of scope === 'system' ? nested : []) {
    if (name === null && readInstalled(paths) === null && readInstalled(other.paths) !== null)
      throw new TelecError(
        'config',
        `${other.paths.home} is there already, and would lie in a home of ${owner.name}'s`,
        {
          because: 'the service without a name is the first one, whose home has the others in it',
          hint: 'give this one a name: telec init --system --name NAME',
        },
      )
    const theirs = checkoutOwner(other.config.deployment.checkout)
    if (theirs.uid === owner.uid) continue
    throw new TelecError(
      'config',
      `${home} and ${other.paths.home} would belong to ${owner.name} and to ${theirs.name}, one inside the other`,
      {
        because: 'who has the outer one could replace the inner one',
        hint: 'give a name to each service of the computer: telec init --system --name NAME',
      },
    )
  }
  const weak = scope === 'system' ? weakPlace(dirname(home), true, owner.uid) : undefined
  if (weak)
    throw new TelecError(
      'config',
      `${weak.path} belongs to uid ${weak.uid}, who could replace what is in it`,
      {
        hint: `sudo chown root ${weak.path}`,
      },
    )
}

/** What the units will start: all of the bundles, where they stay, and for root nothing that others can change. */
export function verifyPrograms(world: World, owner: Account | null): string {
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
  if (owner) for (const program of [node, path]) verifyOnlyOwnerWrites(program, owner)
  return `${node}, ${path}`
}

/** What the units start every minute must not be somebody else's to replace. */
function verifyOnlyOwnerWrites(program: string, { uid, name }: Account): void {
  const weak = weakPlace(program, false, uid)
  if (weak === undefined) return
  const who = uid === 0 ? 'root' : `root and ${name}`
  throw new TelecError(
    'config',
    `${weak.path} can be changed by others than ${who}, and ${name} would run ${program}`,
    {
      hint: 'put telec and Node.js where only root writes (/usr/local/bin), or install for the user: service.scope: user',
    },
  )
}

/** Throws where a folder is that of the checkout's owner of before. systemd gives its own to another user by itself. */
function verifyFolders({ folders, owner }: InstallPlan): void {
  for (const folder of folders) {
    const { uid } = statSync(folder, { throwIfNoEntry: false }) ?? {}
    if (!owner || uid === undefined || [0, owner.uid].includes(uid)) continue
    throw new TelecError('config', `${folder} belongs to uid ${uid}, and telec is to run as ${owner.name}`, {
      because: 'that is the owner of the checkout',
      hint: `sudo chown -R ${owner.name} ${folder}, where that user is to have what is in it`,
    })
  }
}

/** Throws `config` where there is no session that agents could run in, and `later` where launchctl(1) does not answer. */
export async function verifyLaunchd(world: World, scope: Scope): Promise<void> {
  const domain = launchdDomain(world, scope)
  const { code, stderr } = await printed(world, domain)
  if (code === 0) return
  if (code === null)
    throw new TelecError('later', 'launchd does not answer', {
      hint: `try it by hand: launchctl print ${domain}`,
    })
  throw new TelecError('config', `launchd has no domain ${domain}`, {
    because: stderr.trim() || `launchctl print ${domain}: exit code ${code}`,
    hint: HEADLESS,
  })
}

/** What to do on a Mac without a desktop session, where a user's agents never start. */
const HEADLESS =
  'where nobody logs in at the desktop, configure it for the computer: sudo telec init --system; else log in there once'

/** What is said of a checkout there. */
export const GUARDED =
  'macOS keeps what launchd starts out of there, and each poll fails; move it, to ~/apps for example, or give Full Disk Access to node in System Settings, Privacy & Security'

/** Folders of which macOS asks a person before a program that launchd starts may look into them (TCC). */
export function guardedFolder({ home, platform }: World, path: string): string | null {
  if (platform !== 'darwin') return null
  const guarded = ['Desktop', 'Documents', 'Downloads', 'Library/Mobile Documents'].map((name) =>
    join(home, name),
  )
  return [...guarded, '/Volumes'].find((folder) => path.startsWith(`${folder}/`)) ?? null
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
