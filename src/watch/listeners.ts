import { LOOKOUT, type Paths } from '../config/paths.ts'
import { loadConfig } from '../config/service.ts'
import { accessTo } from '../fleet/client.ts'
import { TelecError } from '../system/errors.ts'
import type { World } from '../system/world.ts'
import { readBrief } from './brief.ts'
import { listen } from './listen.ts'
import { nudge } from './lookout.ts'

/** By the configuration, and polling by itself. @returns the exit code. */
export function listenAsOneself(world: World, paths: Paths): Promise<number> {
  return listen(world, {
    async settings() {
      const { computer, deployment, redis } = await loadConfig(world, paths)
      return { computer, channel: deployment.channel, redis: redis ? accessTo(redis) : null }
    },
    position: paths.listen,
    poll: () => pollApart(world),
  })
}

/** As the lookout, which cannot read the configuration: root polls, and tells it. @returns the exit code. */
export async function listenAsLookout(world: World): Promise<number> {
  if (readBrief() === null) nudge(world)
  const deadline = world.monotonic() + POLL_TIMEOUT_MS
  while (readBrief() === null && world.monotonic() < deadline) await world.sleep(ASK_EVERY_MS)
  return listen(world, {
    async settings() {
      const brief = readBrief()
      if (brief) return brief.listen
      throw new TelecError('later', `${LOOKOUT.brief} does not say what to listen to`, {
        hint: 'polls write it; why they do not: systemctl status telec-poll.service',
      })
    },
    position: LOOKOUT.listen,
    poll: async () => nudge(world),
  })
}

const ASK_EVERY_MS = 500

/** In a program of its own, as the timer does: the listener stays small, and no fault of a poll ends it. */
async function pollApart(world: World): Promise<void> {
  const { node, path } = world.program
  const args = path.endsWith('telec-watch') ? [path] : [path, 'watch']
  const { stderr } = await world.run(node, args, { cwd: '/', env: world.env, timeoutMs: POLL_TIMEOUT_MS })
  for (const line of stderr.split('\n').filter(Boolean)) {
    const [, priority = '', text = line] = /^<(\d)>(.*)$/.exec(line) ?? []
    world.log[LEVELS[priority] ?? 'info'](text)
  }
}

/** Priorities of sd-daemon(3), by which a program under systemd marks its lines. */
const LEVELS: Readonly<Record<string, 'error' | 'warning' | 'notice' | 'debug'>> = {
  3: 'error',
  4: 'warning',
  5: 'notice',
  7: 'debug',
}

/** As the unit of the timer's polls has it. */
const POLL_TIMEOUT_MS = 7 * 60_000
