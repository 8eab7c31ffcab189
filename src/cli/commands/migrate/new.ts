import { Command, Option } from 'commander'
import { checkoutOwner } from '../../../git/owner.ts'
import { migrationsFolder } from '../../../migrate/engine.ts'
import { newMigration, TEMPLATE_LANGUAGES, type TemplateLanguage } from '../../../migrate/scaffold.ts'
import { TelecError } from '../../../system/errors.ts'
import type { DefineCommand } from '../../main.ts'
import { parseVersion, planByHand } from './by-hand.ts'

interface Options {
  readonly version?: string
  readonly lang: TemplateLanguage
  readonly json: boolean
}

export const newCommand: DefineCommand = (world) =>
  new Command('new')
    .description('write a working template with the next number')
    .argument('<description>', 'what it does, in a few words')
    .option('--version <version>', 'the version that needs it (default: the deployed one)', parseVersion)
    .addOption(
      new Option('--lang <language>', 'what to write it in').choices(TEMPLATE_LANGUAGES).default('ts'),
    )
    .option('--json', 'as JSON, for programs', false)
    .addHelpText('after', "\nExample:\n  telec-migrate new 'rename the cache key' --version 1.3.0 --lang py")
    .action(async (description: string, options: Options) => {
      const { service, plan, deployed } = await planByHand(world, {})
      const version = options.version ?? deployed
      if (version === null)
        throw new TelecError('usage', 'the checkout declares no version', {
          hint: 'say which: --version 1.3.0',
        })
      const owner = checkoutOwner(world, service.config.deployment.checkout)
      const wanted = { description, version, language: options.lang }
      const folder = migrationsFolder(service.config)
      const made = await newMigration(world, owner, folder, plan.migrations, wanted)
      world.out(options.json ? made : `wrote ${made.path}\n`)
    })
