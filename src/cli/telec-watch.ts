// A thousand polls a day find nothing: those need little, and are over before the rest of the program would be loaded.
import { source } from 'packed:cli/telec-watch-full.ts'
import { locate } from '../config/paths.ts'
import { runPacked } from '../system/packed.ts'
import { runAlone } from '../system/process.ts'
import { rotateLog } from '../system/rotate.ts'
import { realWorld, type World } from '../system/world.ts'
import { isQuiet } from '../watch/glance.ts'
import { lookOut } from '../watch/lookout.ts'

/** launchd's calendar has no jitter: its computers would all ask in the first second of a minute. */
const LONGEST_DELAY_MS = 6_000

async function run([...args]: readonly string[]): Promise<void> {
  const isScheduled = args.join(' ') === '--scheduled'
  if (args.join(' ') === '--lookout') {
    try {
      return await lookOut({ ...realWorld('telec-watch'), run: runAlone })
    } catch {
      // the whole program says what is wrong with it
    }
  }
  if (args.length === 0 || isScheduled) {
    const world = realWorld('telec-watch')
    if (world.platform === 'darwin') await makeUpForLaunchd(world, isScheduled)
    if (await isQuiet({ ...world, run: runAlone })) return
  }
  runPacked(source(), process.argv[1] ?? '')
}

/** What systemd does by itself: it keeps logs from growing without end, and spreads its timers. */
async function makeUpForLaunchd(world: World, isScheduled: boolean): Promise<void> {
  try {
    rotateLog(world, locate(world).home)
  } catch {
    // the whole program says what is wrong with it
  }
  if (isScheduled) await world.sleep(Math.random() * LONGEST_DELAY_MS)
}

void run(process.argv.slice(2))
