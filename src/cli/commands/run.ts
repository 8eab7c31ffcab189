import { Command } from 'commander'
import { openService } from '../../config/service.ts'
import { supervise } from '../../service/run/supervise.ts'
import { isUpdatePending } from '../../watch/poll.ts'
import type { DefineCommand } from '../main.ts'

export const runCommand: DefineCommand = (world, exitWith) =>
  new Command('run')
    .description('run the service in the foreground, poll, update, and restart it')
    .argument('<command...>', 'the service, after --')
    .addHelpText(
      'after',
      `
For containers, and computers without systemd and launchd. A service that exits with 0 ends it. After any other exit code it
restarts the service: after 42 at once, else with a pause that grows to 30 s; and on USR2. TERM, INT and HUP end both, a second one
at once; it then exits with the code of the service (128 + N for signal N). The service gets other signals, too. As process 1 of a container it reaps orphans, if started by its own name.

Examples:
  telec run -- node server.js
  ENTRYPOINT ["telec", "run", "--", "node", "server.js"]   in a Dockerfile`,
    )
    .action(async (command: string[]) => {
      // `node telec run` is process 1 itself, and Node.js waits for no children but its own.
      if (world.pid === 1)
        world.log.warning(
          'telec run is process 1 and cannot reap orphans: start it as telec, not by node, or docker run --init',
        )
      const service = await openService(world)
      exitWith(await supervise(service, command, () => isUpdatePending(service)))
    })
