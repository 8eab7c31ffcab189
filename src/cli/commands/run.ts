import { Command } from 'commander'
import { openService } from '../../config/service.ts'
import { supervise } from '../../service/run/supervise.ts'
import type { World } from '../../system/world.ts'
import { isUpdatePending } from '../../watch/poll.ts'
import type { DefineCommand } from '../main.ts'

export const runCommand: DefineCommand = (world, leave) =>
  new Command('run')
    .description('run the service in the foreground, poll, update, and start it again when it exits 42')
    .argument('<command...>', 'the service, after --')
    .addHelpText(
      'after',
      `
For containers and computers without systemd and launchd. Its exit code is that of the service (128 + N for signal N),
which ends telec run by leaving with 0. TERM, INT and HUP end both, a second one at once; USR2 restarts the service; other
signals are passed on. As the first process of a container, started by its own name, it reaps orphans.

Examples:
  telec run -- node server.js
  ENTRYPOINT ["telec", "run", "--", "node", "server.js"]   in a Dockerfile`,
    )
    .action(async (command: string[]) => {
      warnFirstProcess(world)
      const service = await openService(world)
      leave(await supervise(service, command, () => isUpdatePending(service)))
    })

/** Started as `node telec run` it is process 1 itself, and Node.js waits for no children but its own. */
function warnFirstProcess(world: World): void {
  if (world.pid === 1)
    world.log.warning(
      'telec run is process 1 and cannot reap orphans: start it as telec, not by node, or docker run --init',
    )
}
