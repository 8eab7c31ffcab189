import { Command } from 'commander'
import { loadConfig } from '../../config/load.ts'
import { locate } from '../../config/paths.ts'
import { collectOverview } from '../../status/collect.ts'
import { showOverview } from '../../status/show.ts'
import { printable } from '../../system/log.ts'
import type { DefineCommand } from '../main.ts'

export const statusCommand: DefineCommand = (world) =>
  new Command('status')
    .description('what is deployed, what the remote offers, what is under way or halted')
    .option('--json', 'as JSON, for programs', false)
    .addHelpText('after', '\nExamples:\n  telec status\n  telec status --json')
    .action(async ({ json }: { json: boolean }) => {
      const paths = locate(world)
      const overview = await collectOverview(world, await loadConfig(world, paths), paths)
      world.out(
        json ? `${JSON.stringify(overview, null, 2)}\n` : printable(showOverview(overview, world.now())),
      )
    })
