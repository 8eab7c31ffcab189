import { resolve } from 'node:path'
import { Command, Option } from 'commander'
import { defaultComputer, parseConfig } from '../../config/parse.ts'
import type { Paths } from '../../config/paths.ts'
import type { Config } from '../../config/schema.ts'
import { commandFor, listServices, locateAny } from '../../config/services.ts'
import type { Answers } from '../../config/template.ts'
import { headCommit } from '../../git/checkout.ts'
import { checkoutOwner, locateRepository } from '../../git/repository.ts'
import { verifyLaunchd } from '../../service/installable.ts'
import { type Other, otherServices, verifyNothingShared, verifyUnitsSayWhich } from '../../service/others.ts'
import { isSystemdBooted } from '../../service/systemd/systemctl.ts'
import { readUpdateState } from '../../state/update-state.ts'
import { foreseen, shellWord, TelecError } from '../../system/errors.ts'
import { readText, writeDurably } from '../../system/files.ts'
import { acquireLock } from '../../system/lock.ts'
import type { World } from '../../system/world.ts'
import { adopt } from '../../update/adopt.ts'
import { askForAnswers } from '../ask.ts'
import { JSON_OPTION } from '../command-line.ts'
import { type DefineCommand, warn } from '../main.ts'

interface Options extends Omit<Answers, 'checkout' | 'name'> {
  readonly checkout?: string
  readonly system: boolean
  readonly json: boolean
}

export const initCommand: DefineCommand = (world) =>
  new Command('init')
    .description('write the configuration of a service, and record its deployed version')
    .option('--checkout <path>', 'the git work tree that the service runs from')
    .addOption(
      new Option('--channel <name>', 'the versions to take')
        .choices(['alpha', 'beta', 'stable'])
        .default('alpha'),
    )
    .option('--pinned-minor <version>', 'the minor version of channel stable, such as 1.4')
    .option('--remote <name>', 'a remote of the checkout, or a URL (default: origin)')
    .option('--branch <name>', 'the branch of channel alpha (default: main)')
    .option('--install <command>', 'a command to run in the checkout after migrations')
    .option('--service <name...>', 'systemd units or launchd labels to restart, in order')
    .addOption(new Option('--scope <scope>', 'where the service runs').choices(['user', 'system']))
    .option('--computer <name>', 'the name of this computer (default: the host name)')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
In a terminal, without --checkout, it asks.

Examples:
  telec init --checkout ~/apps/web --service web.service --install 'npm ci'
  telec init --checkout ~/apps/web --channel stable --pinned-minor 1.4
  telec init --name worker --checkout ~/apps/worker --service worker.service   a second service
  sudo telec init --system --checkout /srv/web   for the computer: /etc/telec, /var/lib/telec`,
    )
    .action(async (options: Options) => {
      if (options.system && world.uid !== 0)
        throw new TelecError('usage', 'only root configures services in the system scope', {
          hint: `run it as root: sudo ${[world.program.name, ...world.program.args].map(shellWord).join(' ')}`,
        })
      const paths = locateAny(world)
      verifyNotConfigured(paths)
      const first = listServices(world).find(({ name }) => name === null)
      if (first) verifyUnitsSayWhich(first)
      const others = await otherServices(world, paths)
      const done = await initialise(world, paths, others, await answersOf(world, paths, others, options))
      world.out(options.json ? done.data : done.text)
      // Not an error: the user may log in at the desktop before telec install.
      if (world.platform === 'darwin' && paths.scope === 'user')
        await verifyLaunchd(world, 'user').catch(warn(world))
    })

function verifyNotConfigured(paths: Paths): void {
  if (readText(paths.config) === null) return
  throw new TelecError('usage', `${paths.config} exists: telec init does not overwrite it`, {
    hint: 'edit it, or move it away and run telec init again',
  })
}

async function answersOf(
  world: World,
  { scope, name }: Paths,
  others: readonly Other[],
  { checkout, system, json: _, ...given }: Options,
): Promise<Answers> {
  // All services of a computer have its name.
  const known = others.find(({ paths }) => paths.scope === scope)?.config.computer.split('/')[0]
  const computer = given.computer ?? (known === defaultComputer(world) ? undefined : known)
  if (checkout === undefined) return { computer, name, ...(await askForAnswers(world, name, others)) }
  return {
    ...given,
    computer,
    name,
    checkout: checkout.startsWith('~/') ? checkout : resolve(world.cwd, checkout),
    scope: given.scope ?? (system ? 'system' : undefined),
  }
}

/** Blames the flags for an invalid configuration: the user has not seen the file. */
function parsed(world: World, paths: Paths, text: string): Config {
  try {
    return parseConfig(world, paths.config, text, paths.scope)
  } catch (error) {
    const { because } = foreseen(error)
    throw new TelecError('config', 'the flags make an invalid configuration', {
      ...(because === undefined ? {} : { because }),
      hint: 'correct the flags, nothing was written: telec init --help',
      cause: error,
    })
  }
}

/** Validates the configuration, writes it, and records the deployed version. */
async function initialise(
  world: World,
  paths: Paths,
  others: readonly Other[],
  answers: Answers,
): Promise<{ data: object; text: string }> {
  const { renderConfig } = await import('../../config/template.ts')
  const text = renderConfig(answers)
  const config = parsed(world, paths, text)
  verifyNothingShared({ paths, config }, others)
  const install = `telec install${paths.name === null ? '' : ` ${paths.name}`}`
  if (paths.scope === 'system') {
    const { name } = checkoutOwner(config.deployment.checkout)
    await writeDurably(paths.config, text)
    return {
      data: { config: paths.config, owner: name, deployed: null },
      text: `wrote ${paths.config}
telec runs as ${name}, the owner of the checkout; its first poll records the deployed version
next: sudo ${install}
`,
    }
  }
  const hasManager = world.platform === 'darwin' || isSystemdBooted()
  const repository = locateRepository(world, config.deployment.checkout)
  await headCommit(repository)
  acquireLock(world, paths.lock) // until this program ends
  verifyNotConfigured(paths)
  await writeDurably(paths.config, text)
  const state = readUpdateState(paths) ?? (await adopt({ world, config, paths }, repository))
  return {
    data: { config: paths.config, owner: world.user(), deployed: state.deployed },
    text: `wrote ${paths.config}
migrations of later versions run from now on
next: ${hasManager ? install : `${commandFor(paths, 'telec run')} -- COMMAND`}
`,
  }
}
