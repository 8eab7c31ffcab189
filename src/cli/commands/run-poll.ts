import { join } from 'node:path'
import type { Decision } from '../../channel/decide.ts'
import { loadConfig } from '../../config/load.ts'
import type { Paths } from '../../config/paths.ts'
import { readSignal } from '../../state/signal.ts'
import { remove } from '../../system/files.ts'
import type { World } from '../../system/world.ts'
import { passOn } from '../../watch/after-poll.ts'
import { type PollOptions, poll } from '../../watch/poll.ts'
import { leaveQuiet } from '../../watch/quiet.ts'

/** A whole poll: it decides, tells others, and leaves behind what spares the next ones the trouble. */
export async function runPoll(world: World, paths: Paths, options: PollOptions): Promise<Decision> {
  const startedMs = world.now()
  const config = await loadConfig(world, paths)
  const before = readSignal(paths)
  const polling = poll({ world, config, paths }, options)
  const polled = await polling.finally(() =>
    options.dryRun ? undefined : passOn({ world, config, paths }, before),
  )
  if (!options.dryRun) {
    await leaveQuiet({ world, config, paths }, polled, startedMs)
    await remove(join(paths.home, 'config.parsed.json')) // telec 0.1 kept the configuration there, too
  }
  return polled.decision
}
