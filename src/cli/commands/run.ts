import { Command } from 'commander'
import { loadConfig } from '../../config/load.ts'
import { locate } from '../../config/paths.ts'
import { supervise } from '../../service/supervise.ts'
import { isUpdateDue } from '../../watch/poll.ts'
import type { DefineCommand } from '../main.ts'

export const runCommand: DefineCommand = (world, leave) =>
  new Command('run')
    .description('run the service in the foreground, poll, update, and start it again when it exits 42')
    .argument('<command...>', 'the service, after --')
    .addHelpText(
      'after',
      `
For containers and computers without systemd and launchd.

Example:
  telec run -- node server.js`,
    )
    .action(async (command: string[]) => {
      const paths = locate(world)
      const config = await loadConfig(world, paths)
      const code = await supervise(world, paths, {
        command,
        pollMs: config.deployment.poll_every,
        stopMs: config.service?.stop_timeout ?? 90_000,
        isSignalled: () => isUpdateDue(world, config, paths),
      })
      leave(code)
    })
