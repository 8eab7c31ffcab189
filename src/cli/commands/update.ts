import { Command } from 'commander'
import { loadConfig } from '../../config/load.ts'
import { locate } from '../../config/paths.ts'
import { stream } from '../../system/stream.ts'
import { update } from '../../update/execute.ts'
import type { DefineCommand } from '../main.ts'

export const updateCommand: DefineCommand = (world, leave) =>
  new Command('update')
    .description('do what the signal asks for: fetch, migrate, install, restart, confirm')
    .option('--retry', 'try a target that halted again, now', false)
    .addHelpText(
      'after',
      `
Examples:
  telec-update           do what is signalled, or go on with what was interrupted
  telec-update --retry   after the cause of a halt was mended`,
    )
    .action(async (options: { retry: boolean }) => {
      const paths = locate(world)
      leave(await update({ ...world, stream }, loadConfig(world, paths), paths, options))
    })
