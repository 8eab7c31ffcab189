import { Command, Option } from 'commander'
import { loadConfig } from '../../config/load.ts'
import { locate } from '../../config/paths.ts'
import { install, uninstall } from '../../service/install.ts'
import { verifyInstallable } from '../../service/installable.ts'
import { type InstallPlan, planInstall } from '../../service/plan.ts'
import type { World } from '../../system/world.ts'
import type { DefineCommand } from '../main.ts'

interface Options {
  readonly print: boolean
  readonly manager: InstallPlan['manager']
}

export const installCommand: DefineCommand = (world) =>
  new Command('install')
    .description('have the service manager start telec: writes and enables its units')
    .option('--print', 'print every file and command; change nothing', false)
    .addOption(managerOption(world))
    .addHelpText(
      'after',
      '\nExamples:\n  telec install           for systemd or launchd, whichever this computer has\n  telec install --print   what that would do',
    )
    .action(async ({ print, manager }: Options) => {
      const { config, plan } = await planned(world, manager)
      if (print) return world.out(showPlan(plan))
      await verifyInstallable(world, config, plan)
      for (const line of await install(world, plan)) world.out(`${line}\n`)
      world.out('telec is installed: telec status\n')
    })

export const uninstallCommand: DefineCommand = (world) =>
  new Command('uninstall')
    .description("take telec's units away; the service goes on as it is")
    .addOption(managerOption(world))
    .addHelpText(
      'after',
      "\nExample:\n  telec uninstall   the configuration and the state stay in telec's home",
    )
    .action(async ({ manager }: Options) => {
      const lines = await uninstall(world, (await planned(world, manager)).plan)
      world.out(lines.length === 0 ? 'telec is not installed\n' : lines.map((line) => `${line}\n`).join(''))
    })

function managerOption(world: World): Option {
  return new Option('--manager <name>', 'whose units')
    .choices(['systemd', 'launchd'])
    .default(world.platform === 'darwin' ? 'launchd' : 'systemd')
}

async function planned(world: World, manager: InstallPlan['manager']) {
  const paths = locate(world)
  const config = await loadConfig(world, paths)
  return { config, plan: planInstall(world, config, paths, manager) }
}

/** As a script that could be pasted, give or take. */
function showPlan(plan: InstallPlan): string {
  const files = plan.files.map(({ path, text }) => `# ${path}\n${text}\n`)
  const commands = plan.start.map((command) => `$ ${command.join(' ')}\n`)
  return [...files, ...commands].join('')
}
