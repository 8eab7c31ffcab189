import { Command } from 'commander'
import { loadConfig } from '../../config/load.ts'
import { locate } from '../../config/paths.ts'
import { poll } from '../../watch/poll.ts'
import type { DefineCommand } from '../main.ts'

export const watchCommand: DefineCommand = (world) =>
  new Command('watch')
    .description('look once what the remote offers, and signal an update if this computer should have it')
    .addHelpText('after', '\nExample:\n  telec-watch    one poll, as the timer does it')
    .action(async () => {
      const paths = locate(world)
      await poll(world, loadConfig(world, paths), paths)
    })
