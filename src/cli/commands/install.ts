import { Command, Option } from 'commander'
import type { Paths, Scope } from '../../config/paths.ts'
import type { Config } from '../../config/schema.ts'
import { loadConfig, type Service } from '../../config/service.ts'
import { commandFor, locateOfAnybody } from '../../config/services.ts'
import { checkoutOwner } from '../../git/repository.ts'
import { tryWatcher } from '../../service/failed-units.ts'
import { install, staleFiles, uninstall } from '../../service/install.ts'
import { GUARDED, guardedFolder, verifyInstallable, verifyLinger } from '../../service/installable.ts'
import { OF_ROOT, planInstall, scopeOf } from '../../service/installation.ts'
import type { InstallPlan } from '../../service/plan.ts'
import { COMMANDS, verifyProgram } from '../../service/programs-found.ts'
import { readInstalled } from '../../state/installed.ts'
import { TelecError } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'
import { serviceArgument } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'
import { warn } from '../warn.ts'

interface Options extends Record<'print' | 'refresh' | 'user' | 'system' | 'json', boolean> {
  readonly manager: InstallPlan['manager']
}

export const installCommand: DefineCommand = (world) =>
  place(new Command('install'))
    .description('have the service manager start telec: writes and enables its units')
    .option('--print', 'print every file and command; change nothing', false)
    .addOption(
      new Option('--manager <name>', 'whose units')
        .choices(['systemd', 'launchd'])
        .default(world.platform === 'darwin' ? 'launchd' : 'systemd'),
    )
    .addOption(new Option('--refresh', 'only where other files would be written').default(false).hideHelp())
    .addHelpText(
      'after',
      `
Run again, after an upgrade or a change of the configuration, it brings the units up to date.

Examples:
  telec install                 for systemd or launchd, whichever this computer has
  telec install --print         what that would do
  sudo telec install --system   as configured in /etc/telec`,
    )
    .action(async (_, options: Options) => {
      const { service, plan } = await planned(world, options)
      const { paths } = service
      if (options.print) return world.out(options.json ? planAsData(plan) : showPlan(plan))
      if (options.refresh && (readInstalled(paths) === null || staleFiles(paths, plan).length === 0)) return
      await verifyInstallable(service, plan)
      await warnOfPrograms(service, plan.owner)
      const done = await install(service, plan)
      if (!options.json) for (const line of done) world.out(`${line}\n`)
      if (plan.manager === 'systemd' && !options.refresh) await tryWatcher(service, plan.scope)
      const as = plan.owner && plan.owner.uid !== world.uid ? `sudo -u ${plan.owner.name} ` : ''
      const end = `telec is installed${done.length === 0 ? ', and up to date' : ''}: ${as}telec status\n`
      world.out(options.json ? { scope: plan.scope, owner: plan.owner?.name ?? null, done } : end)
      if (plan.owner?.uid === 0) world.log.warning(OF_ROOT)
      const guarded = guardedFolder(world, service.config.deployment.checkout)
      if (guarded) world.log.warning(`the checkout is in ${guarded}: ${GUARDED}`)
      await warnOfLogout(world, plan)
    })

export const uninstallCommand: DefineCommand = (world) =>
  place(new Command('uninstall'))
    .description("take telec's units away; the service goes on as it is")
    .addHelpText(
      'after',
      "\nExample:\n  telec uninstall   the configuration and the state stay in telec's home",
    )
    .action(async (_, options: Options) => {
      const paths = locateOfAnybody(world)
      if (readInstalled(paths)?.scope === 'system' && world.uid !== 0)
        throw new TelecError('usage', 'only root can uninstall what is in the system scope', {
          hint: commandFor(paths, 'telec uninstall'),
        })
      const lines = await uninstall(world, paths)
      const text = lines.length === 0 ? 'telec is not installed\n' : lines.map((line) => `${line}\n`).join('')
      world.out(options.json ? { done: lines } : text)
    })

function place(command: Command): Command {
  return command.addArgument(serviceArgument()).option('--json', 'as JSON, for programs', false)
}

function wantedScope({ user, system }: Options): Scope | undefined {
  return user ? 'user' : system ? 'system' : undefined
}

async function planned(world: World, options: Options) {
  const wanted = wantedScope(options)
  const paths = locateOfAnybody(world)
  const service = { world, config: await configOfOwner(world, paths), paths }
  const scope = scopeOf(service)
  if (wanted !== undefined && wanted !== scope)
    throw new TelecError('usage', `--${wanted} does not fit service.scope: ${scope} in ${paths.config}`, {
      hint: `telec's units belong where the service runs: telec install --${scope}`,
    })
  return { service, plan: planInstall(service, options.manager, scope) }
}

/** As the owner of the checkout will read it: `~/` is that user's home, and not root's. */
async function configOfOwner(world: World, paths: Paths): Promise<Config> {
  const config = await loadConfig(world, paths)
  if (paths.scope !== 'system') return config
  const { home, name } = checkoutOwner(config.deployment.checkout)
  const theirs = await loadConfig({ ...world, home }, paths)
  if (theirs.deployment.checkout === config.deployment.checkout) return theirs
  throw new TelecError('config', `deployment.checkout in ${paths.config} begins with ~/`, {
    because: `telec runs as its owner, ${name}, for whom that is another folder`,
    hint: `write ${config.deployment.checkout}`,
  })
}

/** Not an error: on a computer with a desktop it may be what its user wants. */
async function warnOfLogout(world: World, { manager, scope }: InstallPlan): Promise<void> {
  if (manager === 'systemd' && scope === 'user') await verifyLinger(world).catch(warn(world))
}

/** Not an error: a migration may bring the program. */
async function warnOfPrograms(service: Service, owner: InstallPlan['owner']): Promise<void> {
  const user = owner && owner.uid !== service.world.uid ? owner.name : null
  for (const key of Object.keys(COMMANDS) as (keyof typeof COMMANDS)[])
    await verifyProgram(service, key, user).catch(warn(service.world))
}

function planAsData({ manager, scope, files, start }: InstallPlan) {
  return { manager, scope, files, commands: start.map(({ argv }) => argv) }
}

/** As a script that could be pasted, give or take. */
function showPlan(plan: InstallPlan): string {
  const files = plan.files.map(({ path, text }) => `# ${path}\n${text}\n`)
  const commands = plan.start.map(({ argv }) => `$ ${argv.join(' ')}\n`)
  return [...files, ...commands].join('')
}
