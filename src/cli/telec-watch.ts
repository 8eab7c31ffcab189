import { locate } from '../config/paths.ts'
import { EXIT } from '../system/errors.ts'
import { rotateLog } from '../system/rotate.ts'
import type { World } from '../system/world.ts'
import { main } from './main.ts'

/** launchd's calendar has no jitter: its computers would all ask in the first second of a minute. */
const LONGEST_DELAY_MS = 6_000

// As units start it, it has one argument or none, and what reads them is not loaded.
void main('telec-watch', async (world) => {
  const { TELEC_REMOTE_SAID: heard = null } = process.env
  delete process.env.TELEC_REMOTE_SAID // it is nobody else's to read
  const args = process.argv.slice(2).join(' ')
  if (args === '' || args === '--scheduled') {
    const paths = locate(world)
    const scheduled = args !== ''
    if (world.platform === 'darwin') await makeUpForLaunchd(world, paths.home, scheduled)
    const { runPoll } = await import('./commands/run-poll.ts')
    await runPoll(world, paths, { dryRun: false, scheduled, brief: false, heard })
    return EXIT.done
  }
  if (args === '--lookout') {
    const { lookOut } = await import('../watch/lookout.ts')
    await lookOut(world)
    return EXIT.done
  }
  const { obey } = await import('./command-line.ts')
  const { watchCommand } = await import('./commands/watch.ts')
  return obey(world, watchCommand)
})

/** What systemd does by itself: it keeps logs from growing without end, and spreads its timers. */
async function makeUpForLaunchd(world: World, home: string, isScheduled: boolean): Promise<void> {
  rotateLog(world, home)
  if (isScheduled) await world.sleep(Math.random() * LONGEST_DELAY_MS)
}
