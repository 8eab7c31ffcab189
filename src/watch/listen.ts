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
import { readBytes } from '../system/files.ts'
import { orWarn, within } from '../system/limit.ts'
import { start } from '../system/process.ts'
import type { World } from '../system/world.ts'

/** Redis answers after this time, also without an announcement. */
const BLOCK_MS = 30_000
/** A connection that is silent for longer is dead. */
const SILENCE_MS = 45_000
const ANSWER_MS = 10_000
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 60_000
/** Polls of a fleet start within this time for each computer: else all would ask the remote at once. */
const SPREAD_PER_COMPUTER_MS = 10
const LONGEST_SPREAD_MS = 60_000

interface Settings extends Pick<Config, 'computer'> {
  readonly channel: Channel
  readonly redis: RedisAccess | null
}

/**
 * Polls when another computer announces a version of this channel. An announcement is never believed: the poll decides.
 *
 * @returns the exit code to start it again, once its settings or telec itself have changed.
 */
export async function listen(world: World, paths: Paths): Promise<number> {
  const settings = await settingsOf(world, paths)
  if (!settings.redis)
    throw new TelecError('config', 'there is no Redis to listen to', {
      hint: 'set redis.url in the configuration, or let the timer poll',
    })
  const isCurrent = unchanged(world, paths, settings)
  let pauseMs = FIRST_PAUSE_MS
  let isDown = false
  let isPollPending = false
  while (await isCurrent()) {
    const client = connectTo(settings.redis, ANSWER_MS, null)
    try {
      await client.ready()
      let lastId = await position(paths, client)
      world.log.notice(isDown ? 'Redis is back: listening again' : 'listening for announcements')
      isDown = false
      pauseMs = FIRST_PAUSE_MS
      while (await isCurrent()) {
        const spreadMs = Math.random() * (await longestSpreadMs(client))
        const entries = await read(client, lastId)
        const latest = entries.at(-1)
        if (latest) await writePosition(paths, { last_id: latest.id })
        lastId = latest?.id ?? (await position(paths, client)) // an emptied server counts from zero
        const isForUs = entries.some((entry) => concerns(world, settings, entry))
        if (!isForUs || isPollPending) continue
        isPollPending = true
        void orWarn(world, 'the poll failed', async () => {
          await delay(spreadMs)
          isPollPending = false
          await pollApart(world)
        })
      }
    } catch (error) {
      if (error instanceof TelecError) throw error // not a fault of Redis: it does not pass
      const say = isDown ? world.log.debug : world.log.warning
      say(`Redis is out of reach: ${describeFault(error)}; the timer still polls`)
      isDown = true
      await delay(pauseMs * (0.5 + Math.random() / 2)) // not all computers in the same second
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
    } finally {
      client.close()
    }
  }
  world.log.notice('the configuration or telec has changed: restarting')
  return EXIT.restart
}

async function settingsOf(world: World, paths: Paths): Promise<Settings> {
  const { computer, deployment, redis } = await loadConfig(world, paths)
  return { computer, channel: deployment.channel, redis: redis ? accessTo(redis) : null }
}

/** Whether settings and program are the same as at the start. */
function unchanged(world: World, paths: Paths, settings: Settings): () => Promise<boolean> {
  const { path } = world.program
  const program = readBytes(path)
  const text = JSON.stringify(settings)
  return async () => {
    try {
      return program.equals(readBytes(path)) && text === JSON.stringify(await settingsOf(world, paths))
    } catch (error) {
      if (error instanceof TelecError) return true // the user is editing the configuration
      throw error
    }
  }
}

async function read(client: RedisClient, lastId: string): Promise<Entry[]> {
  const options = ['COUNT', 100, 'BLOCK', BLOCK_MS, 'STREAMS', ANNOUNCEMENTS_KEY, lastId]
  return within(client.call(Streams, 'XREAD', ...options), SILENCE_MS)
}

async function longestSpreadMs(client: RedisClient): Promise<number> {
  const computers = await within(client.call(Count, 'ZCARD', COMPUTERS_KEY), ANSWER_MS)
  return Math.min(LONGEST_SPREAD_MS, computers * SPREAD_PER_COMPUTER_MS)
}

/** The id to read after: the last one that was read, or the newest of a server that was emptied since. */
async function position(paths: Paths, client: RedisClient): Promise<string> {
  const known = readPosition(paths)?.last_id
  const asking = client.call(Entries, 'XREVRANGE', ANNOUNCEMENTS_KEY, '+', '-', 'COUNT', 1)
  const [last] = await within(asking, ANSWER_MS)
  const newest = last?.id ?? '0-0'
  return known === undefined || isLaterId(known, newest) ? newest : known
}

function concerns(world: World, settings: Settings, entry: Entry): boolean {
  const announcement = parseAnnouncement(entry)
  if (announcement === null) {
    world.log.debug(`skipped ${entry.id}: not an announcement`)
    return false
  }
  const { daemon_id, channel = settings.channel } = announcement
  return daemon_id !== settings.computer && channel === settings.channel
}

/** Polls in another process, so that the listener stays small and survives any failure of a poll. */
async function pollApart({ program, env }: World): Promise<void> {
  const args = program.path.endsWith('telec-watch') ? [program.path] : [program.path, 'watch']
  const polling = start(program.node, args, { env, stdio: ['ignore', 'ignore', 'inherit'] })
  await within(polling.ended, POLL_TIMEOUT_MS).catch((error: unknown) => {
    polling.end()
    throw error
  })
}

/** The limit of telec-watch.service. */
const POLL_TIMEOUT_MS = 7 * 60_000
