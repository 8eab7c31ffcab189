import { Command } from 'commander'
import { openService } from '../../config/service.ts'
import { readStatus } from '../../state/status.ts'
import { PERMITS, type Permit } from '../../state/update-state.ts'
import { signalRefused } from '../../watch/poll.ts'
import { serviceArgument } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'
import { dryRun } from './dry-run.ts'
import { rollbackCommand } from './rollback.ts'
import { runUnitInstead, runUpdate } from './run-update.ts'
import { updateByHand } from './update-by-hand.ts'

export const updateCommand: DefineCommand = (world, leave) =>
  new Command('update')
    .addArgument(serviceArgument())
    .description(
      'do what the signal asks for: fetch, migrate, install, restart, confirm; telec update polls first',
    )
    .option('--retry', 'try a target again, now, that halted or was rolled back from', false)
    .option('--now', 'also outside the window (deployment.window)', false)
    .option('--accept-rewrite', 'take a branch that was force-pushed, or a tag that moved', false)
    .option('--allow-downgrade', 'take a target that is older than what is deployed', false)
    .option('--stash', 'put local changes aside that are in the way, under a ref that is named', false)
    .option(
      '--dry-run',
      'say what an update would do now, with what each check() says; run nothing else',
      false,
    )
    .option('--json', 'as JSON, for programs: the dry run, else how it stands in the end', false)
    .addHelpText(
      'after',
      `
Examples:
  telec-update                     do what is signalled, or go on with what was interrupted
  telec-update --dry-run           what it would do: commits, files, migrations, install, restart
  telec-update --retry             after the cause of a halt was mended, or of a rollback
  telec-update --now               without waiting for the window
  telec-update --accept-rewrite    after a look at what was rewritten
  telec-update --allow-downgrade   after a release was withdrawn, or the pin lowered
  telec-update rollback            go back to what was deployed before`,
    )
    .action(async (_, options: Options) => {
      const { retry, now } = options
      if (options.dryRun) return dryRun(await openService(world), options.json)
      const permits = PERMITS.filter((permit) => options[OPTION_OF[permit]])
      const isPlain = permits.length === 0 && !retry && !now
      const isTyped = world.program.name === 'telec'
      const handed = isPlain && !options.json ? await runUnitInstead(world, isTyped) : null
      if (handed !== null) return leave(handed)
      const service = await openService(world)
      const askedFor = async () => {
        await signalRefused(service, permits)
        return { retry, now, permits, rollback: null }
      }
      try {
        leave(isTyped ? await updateByHand(service, askedFor) : await runUpdate(service, await askedFor()))
      } finally {
        if (options.json) world.out({ status: readStatus(service.paths) })
      }
    })
    .addCommand(rollbackCommand(world, leave))

const OPTION_OF = {
  rewrite: 'acceptRewrite',
  downgrade: 'allowDowngrade',
  stash: 'stash',
} as const satisfies Record<Permit, string>

type Options = Record<'retry' | 'now' | 'dryRun' | 'json' | (typeof OPTION_OF)[Permit], boolean>
