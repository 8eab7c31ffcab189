import { relative, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { discoverMigrations, foundOnDisk, verifyNames } from '../../../migrate/discover.ts'
import { migrationsFolder } from '../../../migrate/plan.ts'
import { type Verdict, verifyMigrations } from '../../../migrate/prove.ts'
import { newMigration, TEMPLATE_LANGUAGES, type TemplateLanguage } from '../../../migrate/scaffold.ts'
import { EXIT, TelecError } from '../../../system/errors.ts'
import { JSON_OPTION } from '../../command-line.ts'
import type { DefineCommand } from '../../main.ts'
import { parseVersion, planByHand } from './plan.ts'

// For authors of migrations.

interface Wanted {
  readonly version?: string
  readonly lang: TemplateLanguage
  readonly json: boolean
}

export const newCommand: DefineCommand = (world) =>
  new Command('new')
    .description('write a new migration from a template')
    .argument('<description>', 'a few words, which become its file name')
    .option('--version <version>', 'the version that needs it (default: deployed)', parseVersion)
    .addOption(new Option('--lang <language>', 'its language').choices(TEMPLATE_LANGUAGES).default('ts'))
    .option(...JSON_OPTION)
    .addHelpText('after', "\nExample:\n  telec-migrate new 'rename the cache key' --version 1.3.0 --lang py")
    .action(async (description: string, options: Wanted) => {
      const { service, plan, deployed } = await planByHand(world, { worktree: true })
      const version = options.version ?? deployed
      if (version === null)
        throw new TelecError('usage', 'the checkout declares no version', {
          hint: 'name one: --version 1.3.0',
        })
      const wanted = { description, version, language: options.lang }
      const folder = migrationsFolder(service.config)
      const made = await newMigration(folder, plan.migrations, wanted)
      world.out(options.json ? made : `wrote ${made.path}\n`)
    })

interface Places extends Record<'home' | 'checkout' | 'migrations', string> {
  readonly json: boolean
}

export const verifyCommand: DefineCommand = (world, exitWith) =>
  new Command('verify')
    .description('test that migrations are idempotent, on copies of a telec home and the checkout')
    .argument('[id...]', 'VERSION/FILE (default: all)')
    .requiredOption('--home <folder>', 'the home before the migrations; it is copied')
    .option('--checkout <folder>', 'the checkout with the migrations', '.')
    .option('--migrations <folder>', 'their folder in the checkout', 'migrations')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample, in CI:\n  telec-migrate verify --home test/fixtures/home-1.1.0')
    .action(async (ids: string[], options: Places) => {
      const checkout = resolve(world.cwd, options.checkout)
      const folder = resolve(checkout, options.migrations)
      if (relative(checkout, folder).startsWith('..'))
        throw new TelecError('usage', `${folder} is not inside the checkout, ${checkout}`, {
          hint: 'name a folder in it: --migrations FOLDER',
        })
      const discovered = discoverMigrations(folder, foundOnDisk(folder))
      verifyNames(folder, discovered)
      const all = discovered.migrations
      for (const id of ids)
        if (!all.some((one) => one.id === id))
          throw new TelecError('usage', `there is no migration ${id} in ${folder}`, {
            hint: `name one of these: ${all.map((one) => one.id).join(', ') || 'none'}`,
          })
      const chosen = ids.length === 0 ? all : all.filter(({ id }) => ids.includes(id))
      const verdicts = await verifyMigrations(world, resolve(world.cwd, options.home), checkout, chosen)
      world.out(options.json ? verdicts : showAll(verdicts))
      if (verdicts.some(({ fault }) => fault !== null)) exitWith(EXIT.halted)
    })

/** Names an empty folder: a CI with the wrong path would test nothing. */
function showAll(verdicts: readonly Verdict[]): string {
  return verdicts.length === 0 ? 'there are no migrations\n' : verdicts.map(show).join('')
}

function show({ id, fault, differences }: Verdict): string {
  if (fault === null) return `✓ ${id}\n`
  return [`✗ ${id}: ${fault}`, ...differences].map((line) => `${line.replaceAll('\n', '\n  ')}\n`).join('  ')
}
