import { Option } from 'commander'
import type { Paths } from '../../config/paths.ts'
import type { Config } from '../../config/schema.ts'
import { loadConfig, type Service, scopeOf } from '../../config/service.ts'
import { commandFor, locateOfAnybody } from '../../config/services.ts'
import { checkoutOwner } from '../../git/repository.ts'
import { tryWatcher } from '../../service/failed-units.ts'
import { install, staleFiles, uninstall } from '../../service/install.ts'
import { noteOnGuarded, verifyInstallable, verifyLinger } from '../../service/installable.ts'
import { OF_ROOT, planInstall } from '../../service/installation.ts'
import type { InstallPlan } from '../../service/plan.ts'
import { COMMANDS, verifyProgram } from '../../service/programs-found.ts'
import { readInstalled } from '../../state/installed.ts'
import { shellWord, TelecError } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'
import { JSON_OPTION, serviceCommand } from '../command-line.ts'
import { type DefineCommand, warn } from '../main.ts'

interface Options extends Record<'print' | 'refresh' | 'user' | 'system' | 'json', boolean> {
  readonly manager: InstallPlan['manager']
}

export const installCommand: DefineCommand = (world) =>
  serviceCommand('install', "write and enable telec's units for the service manager")
    .option(...JSON_OPTION)
    .option('--print', 'print each file and command; change nothing', false)
    .addOption(
      new Option('--manager <name>', 'the service manager')
        .choices(['systemd', 'launchd'])
        .default(world.platform === 'darwin' ? 'launchd' : 'systemd'),
    )
    .addOption(new Option('--refresh', 'do nothing where the units are up to date').default(false).hideHelp())
    .addHelpText(
      'after',
      `
Run it again after an upgrade or a change of the configuration: it updates the units.

Examples:
  telec install                 for systemd or launchd
  telec install --print         show its files and commands
  sudo telec install --system   as configured in /etc/telec`,
    )
    .action(async (_, options: Options) => {
      const { service, plan } = await planned(world, options)
      const { paths } = service
      if (options.print) return world.out(options.json ? planAsData(plan) : planAsText(plan))
      if (options.refresh && (readInstalled(paths) === null || staleFiles(paths, plan).length === 0)) return
      await verifyInstallable(service, plan)
      await warnOfPrograms(service, plan.owner)
      const done = await install(service, plan)
      if (!options.json) for (const line of done) world.out(`${line}\n`)
      if (plan.manager === 'systemd' && !options.refresh) await tryWatcher(service, plan.scope)
      const as = plan.owner && plan.owner.uid !== world.uid ? `sudo -u ${shellWord(plan.owner.name)} ` : ''
      const end = `telec is installed${done.length === 0 ? ', and up to date' : ''}: ${as}telec status\n`
      world.out(options.json ? { scope: plan.scope, owner: plan.owner?.name ?? null, done } : end)
      if (plan.owner?.uid === 0) world.log.warning(OF_ROOT)
      const note = noteOnGuarded(world, service.config.deployment.checkout)
      if (note) world.log.warning(note)
      // Not an error: on a desktop the user may want units to end at logout.
      if (plan.manager === 'systemd' && plan.scope === 'user') await verifyLinger(world).catch(warn(world))
    })

export const uninstallCommand: DefineCommand = (world) =>
  serviceCommand('uninstall', "remove telec's units; the service keeps running")
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  telec uninstall   keeps the configuration and the state')
    .action(async (_, options: Options) => {
      const paths = locateOfAnybody(world)
      if (readInstalled(paths)?.scope === 'system' && world.uid !== 0)
        throw new TelecError('usage', 'only root uninstalls from the system scope', {
          hint: `run it as root: ${commandFor(paths, 'telec uninstall')}`,
        })
      const lines = await uninstall(world, paths)
      const text = lines.length === 0 ? 'telec is not installed\n' : lines.map((line) => `${line}\n`).join('')
      world.out(options.json ? { done: lines } : text)
    })

async function planned(world: World, options: Options) {
  const wanted = options.user ? 'user' : options.system ? 'system' : null
  const paths = locateOfAnybody(world)
  const service = { world, config: await configOfOwner(world, paths), paths }
  const scope = scopeOf(service)
  if (wanted !== null && wanted !== scope)
    throw new TelecError('usage', `--${wanted} contradicts service.scope: ${scope} in ${paths.config}`, {
      hint: `install telec where the service runs: telec install --${scope}`,
    })
  return { service, plan: planInstall(service, options.manager, scope) }
}

/** Parsed for the owner of the checkout: `~/` is the home of that user, not root's. */
async function configOfOwner(world: World, paths: Paths): Promise<Config> {
  const config = await loadConfig(world, paths)
  if (paths.scope !== 'system') return config
  const { home } = checkoutOwner(config.deployment.checkout)
  return loadConfig({ ...world, home }, paths)
}

/** Not an error: a migration may bring the program. */
async function warnOfPrograms(service: Service, owner: InstallPlan['owner']): Promise<void> {
  const user = owner && owner.uid !== service.world.uid ? owner.name : null
  for (const commandIn of Object.values(COMMANDS))
    await verifyProgram(service, commandIn(service.config), user).catch(warn(service.world))
}

function planAsData({ manager, scope, files, start }: InstallPlan) {
  return { manager, scope, files, commands: start.map(({ argv }) => argv) }
}

function planAsText({ files, start }: InstallPlan): string {
  const texts = files.map(({ path, text }) => `# ${path}\n${text}\n`)
  const commands = start.map(({ argv }) => `$ ${argv.map(shellWord).join(' ')}\n`)
  return [...texts, ...commands].join('')
}
