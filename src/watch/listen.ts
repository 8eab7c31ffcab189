import { setTimeout as delay } from 'node:timers/promises'
import { type Entry, isLaterId, parseAnnouncement, parseEntries } from '../fleet/announcements.ts'
import { connectTo, describeFault } from '../fleet/client.ts'
import type { RedisAccess, RedisClient } from '../fleet/ioredis.ts'
import { ANNOUNCEMENTS_KEY, COMPUTERS_KEY } from '../fleet/keys.ts'
import { readPosition, writePosition } from '../state/listen.ts'
import { EXIT, TelecError } from '../system/errors.ts'
import { within } from '../system/limit.ts'
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
export interface Listening {
  readonly computer: string
  readonly channel: string
  readonly redis: RedisAccess | null
}

export interface Listener {
  /** As it is now; throws a TelecError where that cannot be told. */
  settings(): Promise<Listening>
  /** The file that says how far it has read. */
  readonly position: string
  /** Polls, as the timer would. */
  poll(): Promise<void>
}

/**
 * Stays, and polls when somebody announces a version for this computer's channel. An announcement is a hint: nothing that
 * it says is believed. Ends when its settings or telec itself are others than at the start, for the service manager to
 * start it again.
 *
 * @returns the exit code.
 */
export async function listen(world: World, listener: Listener): Promise<number> {
  const listening = await listener.settings()
  const { redis } = listening
  if (!redis)
    throw new TelecError('config', 'there is no Redis to listen to', {
      hint: 'set redis.url in the configuration, or leave polling to the timer',
    })
  const { position: path, poll } = listener
  const isSame = sameAsNow(world, listening, listener)
  let pauseMs = FIRST_PAUSE_MS
  let isDown = false
  while (await isSame()) {
    const client = connectTo(redis, CONNECT_TIMEOUT_MS, null)
    try {
      await client.ready()
      const lastId = await position(path, client)
      world.log.notice(isDown ? 'Redis is back: listening again' : 'listening for announcements')
      isDown = false
      pauseMs = FIRST_PAUSE_MS
      await follow({ world, listening, path, client, poll, isSame }, lastId)
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

/** Whether what this program was started with is still what there is. */
function sameAsNow(world: World, listening: Listening, { settings }: Listener): () => Promise<boolean> {
  const program = programText(world)
  const text = JSON.stringify(listening)
  return async () => {
    try {
      return program === programText(world) && text === JSON.stringify(await settings())
    } catch (error) {
      if (error instanceof TelecError) return true // somebody is at work on it
      throw error
    }
  }
}

interface Session {
  readonly world: World
  readonly listening: Listening
  /** Of the position. */
  readonly path: string
  readonly client: RedisClient
  readonly poll: () => Promise<void>
  readonly isSame: () => Promise<boolean>
}

/** Reads announcements from where it was left, until the connection fails. */
async function follow(
  { world, listening, path, client, poll, isSame }: Session,
  start: string,
): Promise<void> {
  let lastId = start
  let polling: Promise<void> | null = null
  while (await isSame()) {
    const spreadMs = Math.min(LONGEST_SPREAD_MS, (await fleetSize(client)) * SPREAD_PER_COMPUTER_MS)
    const entries = await read(client, lastId)
    const latest = entries.at(-1)
    if (latest) await writePosition(path, latest.id)
    lastId = latest?.id ?? (await position(path, client)) // a server that was emptied counts from anew
    const isForUs = entries.some((entry) => concerns(world, listening, entry))
    if (!isForUs || polling) continue // one that waits for its turn does for all of them
    polling = delay(Math.random() * spreadMs)
      .then(() => {
        polling = null
        return poll()
      })
      .catch((error: unknown) => world.log.warning(`the poll failed: ${describeFault(error)}`))
  }
}

async function read(client: RedisClient, lastId: string): Promise<Entry[]> {
  const reading = client.call('XREAD', 'COUNT', 100, 'BLOCK', BLOCK_MS, 'STREAMS', ANNOUNCEMENTS_KEY, lastId)
  return parseEntries(await within(reading, SILENCE_MS))
}

async function fleetSize(client: RedisClient): Promise<number> {
  return Number(await within(client.call('ZCARD', COMPUTERS_KEY), CONNECT_TIMEOUT_MS))
}

/** Where to read on: after the last one that was read, and never after one that the server has yet to give out. */
async function position(path: string, client: RedisClient): Promise<string> {
  const known = readPosition(path)?.last_id
  const newest = await within(
    client.call('XREVRANGE', ANNOUNCEMENTS_KEY, '+', '-', 'COUNT', 1),
    CONNECT_TIMEOUT_MS,
  )
  const [last] = parseEntries([['', newest]])
  const end = last?.id ?? '0-0'
  return known === undefined || isLaterId(known, end) ? end : known
}

function concerns(world: World, { computer, channel: own }: Listening, entry: Entry): boolean {
  const announcement = parseAnnouncement(entry)
  if (announcement === null) {
    world.log.debug(`${entry.id} is no announcement that telec understands`)
    return false
  }
  const { daemon_id, channel } = announcement
  return daemon_id !== computer && (channel === undefined || channel === own)
}
