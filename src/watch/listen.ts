import { setTimeout as delay } from 'node:timers/promises'
import type { Paths } from '../config/paths.ts'
import type { Channel, Config } from '../config/schema.ts'
import { loadConfig } from '../config/service.ts'
import { type Entry, isLaterId, parseAnnouncement } from '../fleet/announcements.ts'
import { accessTo, connectTo, describeFault } from '../fleet/client.ts'
import type { RedisAccess, RedisClient } from '../fleet/ioredis.ts'
import { ANNOUNCEMENTS_KEY, COMPUTERS_KEY } from '../fleet/keys.ts'
import { Count, Entries, Streams } from '../fleet/replies.ts'
import { readPosition, writePosition } from '../state/redis.ts'
import { EXIT, TelecError } from '../system/errors.ts'
import { orWarn, within } from '../system/limit.ts'
import { programText, type World } from '../system/world.ts'

/** So long Redis may keep us waiting when nothing is announced. */
const BLOCK_MS = 30_000
/** After that the connection is dead, whatever TCP says. */
const SILENCE_MS = 45_000
const CONNECT_TIMEOUT_MS = 10_000
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 60_000
/** So that a large fleet does not ask the remote all at once: so much time for each computer … */
const SPREAD_PER_COMPUTER_MS = 10
/** … and no more than this in all. */
const LONGEST_SPREAD_MS = 60_000

/** What it listens with, and to. */
interface Settings extends Pick<Config, 'computer'> {
  readonly channel: Channel
  readonly redis: RedisAccess | null
}

/**
 * Stays, and polls when somebody announces a version for this channel; the announcement itself is not believed. Ends, to be
 * started again, when its settings or telec itself have changed; the exit code.
 */
export async function listen(world: World, paths: Paths): Promise<number> {
  const settings = await settingsOf(world, paths)
  if (!settings.redis)
    throw new TelecError('config', 'there is no Redis to listen to', {
      hint: 'set redis.url in the configuration, or leave polling to the timer',
    })
  const isSame = sameAsNow(world, paths, settings)
  let pauseMs = FIRST_PAUSE_MS
  let isDown = false
  let isWaiting = false
  while (await isSame()) {
    const client = connectTo(settings.redis, CONNECT_TIMEOUT_MS, null)
    try {
      await client.ready()
      let lastId = await position(paths, client)
      world.log.notice(isDown ? 'Redis is back: listening again' : 'listening for announcements')
      isDown = false
      pauseMs = FIRST_PAUSE_MS
      while (await isSame()) {
        const spreadMs = Math.random() * (await longestSpreadMs(client))
        const entries = await read(client, lastId)
        const latest = entries.at(-1)
        if (latest) await writePosition(paths, { last_id: latest.id })
        lastId = latest?.id ?? (await position(paths, client)) // a server that was emptied counts from anew
        const isForUs = entries.some((entry) => concerns(world, settings, entry))
        if (!isForUs || isWaiting) continue // one that waits for its turn does for all of them
        isWaiting = true
        void orWarn(world, 'the poll failed', async () => {
          await delay(spreadMs)
          isWaiting = false
          await pollApart(world)
        })
      }
    } catch (error) {
      if (error instanceof TelecError) throw error // not Redis: what is in the way here does not pass
      const say = isDown ? world.log.debug : world.log.warning
      say(`Redis is out of reach: ${describeFault(error)}; polling goes on by the timer`)
      isDown = true
      await delay(pauseMs * (0.5 + Math.random() / 2)) // not all computers in the same second
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
    } finally {
      client.close()
    }
  }
  world.log.notice('the configuration or telec itself has changed: starting again')
  return EXIT.restart
}

async function settingsOf(world: World, paths: Paths): Promise<Settings> {
  const { computer, deployment, redis } = await loadConfig(world, paths)
  return { computer, channel: deployment.channel, redis: redis ? accessTo(redis) : null }
}

/** Whether what this program was started with is still what there is. */
function sameAsNow(world: World, paths: Paths, settings: Settings): () => Promise<boolean> {
  const program = programText(world)
  const text = JSON.stringify(settings)
  return async () => {
    try {
      return program === programText(world) && text === JSON.stringify(await settingsOf(world, paths))
    } catch (error) {
      if (error instanceof TelecError) return true // somebody is at work on it
      throw error
    }
  }
}

async function read(client: RedisClient, lastId: string): Promise<Entry[]> {
  const options = ['COUNT', 100, 'BLOCK', BLOCK_MS, 'STREAMS', ANNOUNCEMENTS_KEY, lastId]
  return within(client.call(Streams, 'XREAD', ...options), SILENCE_MS)
}

async function longestSpreadMs(client: RedisClient): Promise<number> {
  const computers = await within(client.call(Count, 'ZCARD', COMPUTERS_KEY), CONNECT_TIMEOUT_MS)
  return Math.min(LONGEST_SPREAD_MS, computers * SPREAD_PER_COMPUTER_MS)
}

/** Where to read on: after the last one that was read, and never after one that the server has yet to give out. */
async function position(paths: Paths, client: RedisClient): Promise<string> {
  const known = readPosition(paths)?.last_id
  const asking = client.call(Entries, 'XREVRANGE', ANNOUNCEMENTS_KEY, '+', '-', 'COUNT', 1)
  const [last] = await within(asking, CONNECT_TIMEOUT_MS)
  const end = last?.id ?? '0-0'
  return known === undefined || isLaterId(known, end) ? end : known
}

function concerns(world: World, settings: Settings, entry: Entry): boolean {
  const announcement = parseAnnouncement(entry)
  if (announcement === null) {
    world.log.debug(`${entry.id} is no announcement that telec understands`)
    return false
  }
  const { daemon_id, channel = settings.channel } = announcement
  return daemon_id !== settings.computer && channel === settings.channel
}

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
