import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Paths, Scope } from '../config/paths.ts'
import type { ServiceConfig } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { checkoutOwner, locateRepository } from '../git/repository.ts'
import { readInstalled } from '../state/installed.ts'
import type { Account } from '../system/account.ts'
import { shellWord, TelecError } from '../system/errors.ts'
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

function invalid(message: string, hint: string, because = ''): TelecError {
  return new TelecError('config', message, { hint, ...(because && { because }) })
}

/** Throws where the plan cannot work here, and says what to do first. */
export async function verifyInstallable(service: Service, plan: InstallPlan): Promise<void> {
  const { world, config, paths } = service
  const { scope, owner } = plan
  if (scope === 'system' && world.uid !== 0)
    throw new TelecError('usage', 'only root can install for the system scope', {
      hint: 'run sudo telec install, or set service.scope: user',
    })
  const files = plan.files.map(({ path }) => path)
  verifyUnitsOwn(paths, files)
  const others = await otherServices(world, paths)
  verifyNothingShared(service, others)
  if (!owner) locateRepository(world, config.deployment.checkout)
  else if (paths.scope === 'system') verifyHomeOfOwner(paths, owner, others)
  else if (owner.uid !== 0)
    throw invalid(
      `${owner.name}, who owns the checkout, cannot read ${paths.config}`,
      'configure the service in /etc/telec: telec init --system',
      "service.scope is system: telec's units run as the owner of the checkout",
    )
  verifyPrograms(world, owner)
  // In system scope the watcher has a /tmp of its own (systemd.exec(5), PrivateTmp=).
  const needed = [world.program.path, stableNode(world), config.deployment.checkout]
  const temporary = needed.find((path) => /^\/(var\/)?tmp\//.test(path))
  if (scope === 'system' && temporary)
    throw invalid(`${temporary} is in a folder for temporary files`, 'move it, to /opt or /srv for example')
  if (plan.manager === 'launchd') {
    verifyFolders(plan)
    return verifyLaunchd(world, scope)
  }
  await verifySystemd(world, scope)
  if (config.service) await verifyUnits(world, config.service, scope)
}

/** The home of the service without a name has the others in it: the owner of the outer one could replace an inner one. */
function verifyHomeOfOwner(own: Paths, owner: Account, others: readonly Other[]): void {
  const { home, name } = own
  const hint = 'give each service a name: telec init --system --name NAME'
  for (const { paths, config } of others) {
    if (paths.scope !== 'system' || (name !== null && paths.name !== null)) continue
    const theirs = checkoutOwner(config.deployment.checkout)
    if (theirs.uid !== owner.uid)
      throw invalid(
        `${owner.name} would own ${home}, and ${theirs.name} ${paths.home}: one is inside the other`,
        hint,
        'the owner of the outer home could replace the inner one',
      )
    // The installed units have systemd make the inner home, as root.
    if (name === null && readInstalled(own) === null && readInstalled(paths) !== null)
      throw invalid(`${owner.name} would own ${home}, which has the home of an installed service in it`, hint)
  }
  const weak = weakPlace(dirname(home), true, owner.uid)
  if (weak)
    throw invalid(
      `${weak.path} belongs to uid ${weak.uid}, who could replace its content`,
      `sudo chown root ${shellWord(weak.path)}`,
    )
}

/** Throws where a program is missing or will be removed, or where others could replace what the units start. */
export function verifyPrograms(world: World, owner: Account | null): string {
  const { path } = world.program
  const node = stableNode(world)
  const bin = dirname(path)
  for (const name of ['telec', 'telec-watch', 'telec-update'])
    if (!existsSync(join(bin, name)))
      throw invalid(`${join(bin, name)} is missing`, `copy all of telec's programs to ${bin}`)
  if (/\/_npx\//.test(bin))
    throw invalid(`npx will remove telec from ${bin}`, 'install it for good: npm install --global telec')
  if (owner)
    for (const program of [node, path]) {
      const weak = weakPlace(program, false, owner.uid)
      const who = owner.uid === 0 ? 'root' : `root and ${owner.name}`
      if (weak)
        throw invalid(
          `${weak.path} can be changed by others than ${who}, and ${owner.name} would run ${program}`,
          'put telec and Node.js where only root writes (/usr/local/bin), or install for the user: service.scope: user',
        )
    }
  return `${node}, ${path}`
}

/** The checkout got another owner: launchd, unlike systemd, does not give them the folders. */
function verifyFolders({ folders, owner }: InstallPlan): void {
  for (const folder of folders) {
    const { uid } = statSync(folder, { throwIfNoEntry: false }) ?? {}
    if (!owner || uid === undefined || [0, owner.uid].includes(uid)) continue
    throw invalid(
      `${folder} belongs to uid ${uid}, and the checkout to ${owner.name}, as whom telec runs`,
      `sudo chown -R ${shellWord(owner.name)} ${shellWord(folder)}, if that user may have its content`,
    )
  }
}

/** Throws `config` where there is no session for agents, and `later` where launchctl(1) does not answer. */
export async function verifyLaunchd(world: World, scope: Scope): Promise<void> {
  const domain = launchdDomain(world, scope)
  const { code, stderr } = await printed(world, domain)
  if (code === 0) return
  if (code === null)
    throw new TelecError('later', 'launchd does not answer', { hint: `ask it: launchctl print ${domain}` })
  throw invalid(
    `launchd has no domain ${domain}`,
    'log in at the desktop once; where nobody does, configure telec for the computer: sudo telec init --system',
    stderr.trim() || `launchctl print ${domain}: exit code ${code}`,
  )
}

/** What to say of a checkout that a program of launchd's may enter only after a user allowed it (TCC); null: nothing. */
export function noteOnGuarded({ home, platform }: World, checkout: string): string | null {
  if (platform !== 'darwin') return null
  const guarded = ['Desktop', 'Documents', 'Downloads', 'Library/Mobile Documents'].map((name) =>
    join(home, name),
  )
  const folder = [...guarded, '/Volumes'].find((one) => checkout.startsWith(`${one}/`))
  if (folder === undefined) return null
  return `the checkout is in ${folder}: macOS keeps programs of launchd out of there, and each poll fails; move it, to ~/apps for example, or give Full Disk Access to node in System Settings, Privacy & Security`
}

/** Throws where no systemd of this scope answers, or an old one does. */
export async function verifySystemd(world: World, scope: Scope): Promise<string> {
  const answer = await tryCommand(world, ['systemctl', `--${scope}`, 'show', '--property=Version', '--value'])
  const linger = scope === 'user' ? `run it without a login: ${lingerCommand(world)}. ` : ''
  if (answer.code !== 0)
    throw invalid(
      `systemd (--${scope}) does not answer`,
      `${linger}Where there is no systemd: telec run -- COMMAND`,
      answer.stderr.trim(),
    )
  const version = answer.stdout.trim() // 252.39-1~deb12u1
  if (Number.parseInt(version, 10) < LEAST_SYSTEMD)
    throw invalid(
      `systemd ${version} is too old`,
      `upgrade it to ${LEAST_SYSTEMD}, or run telec without it: telec run -- COMMAND`,
    )
  return `systemd ${version} (--${scope}) answers`
}

/** Throws where systemd does not know one of the service's units, would refuse its drop-in, or knows two names as one unit. */
async function verifyUnits(world: World, { names, restart }: ServiceConfig, scope: Scope): Promise<void> {
  const known = new Map<string, string>()
  for (const name of names) {
    const { LoadState, Type, Id } = await showUnit(world, scope, unitName(name), ['LoadState', 'Type', 'Id'])
    if (LoadState === 'not-found')
      throw invalid(
        `service.name is ${name}, a unit that systemd (--${scope}) does not know`,
        `write the unit first, or set service.scope; list the units: systemctl --${scope} list-unit-files`,
      )
    if (Type === 'oneshot' && restart === 'exit-42')
      throw invalid(
        `${name} is of Type=oneshot, for which systemd refuses RestartForceExitStatus=`,
        'set service.restart: manager, or none; or give the unit another type',
      )
    const same = known.get(Id)
    if (same !== undefined)
      throw invalid(`service.name has ${same} and ${name}, which are one unit: ${Id}`, 'name it once')
    known.set(Id, name)
  }
}

/** Throws where the user's units end with their last session (loginctl(1)). */
export async function verifyLinger(world: World): Promise<string> {
  const username = world.user()
  if (existsSync(`/var/lib/systemd/linger/${username}`)) return `${username} lingers`
  throw invalid(
    `the units of ${username} run only during a login`,
    `have them start at boot, and outlive a logout: ${lingerCommand(world)}`,
  )
}

function lingerCommand(world: World): string {
  return `sudo loginctl enable-linger ${shellWord(world.user())}`
}
