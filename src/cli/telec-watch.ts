import { EXIT } from '../system/errors.ts'
import { main } from './main.ts'

/** launchd's calendar has no jitter: all Macs would ask the remote in the first second of a minute. */
const LONGEST_DELAY_MS = 6_000

// The units pass --scheduled at most: starts without the command line's code.
void main('telec-watch', async (world) => {
  const { TELEC_REMOTE_SAID: heard = null } = process.env
  delete process.env.TELEC_REMOTE_SAID // no child needs it
  const args = process.argv.slice(2).join(' ')
  if (args === '' || args === '--scheduled') {
    const scheduled = args !== ''
    // systemd spreads its timers automatically.
    if (world.platform === 'darwin' && scheduled) await world.sleep(Math.random() * LONGEST_DELAY_MS)
    const { runPoll, verifyFollowed } = await import('./commands/run-poll.ts')
    const { decision } = await runPoll(world, { dryRun: false, scheduled, heard })
    if (!scheduled) verifyFollowed(decision)
    return EXIT.done
  }
  const { runCommandLine } = await import('./command-line.ts')
  const { watchCommand } = await import('./commands/watch.ts')
  return runCommandLine(world, watchCommand)
})
