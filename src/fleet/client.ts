import { statSync } from 'node:fs'
import { source } from 'packed:redis/ioredis-library.ts'
import { parseRedisUrl, type RedisAddress } from '../config/redis-url.ts'
import type { Config } from '../config/schema.ts'
import { TelecError } from '../system/errors.ts'
import { readText } from '../system/files.ts'
import { loadPacked } from '../system/packed.ts'
import type { World } from '../system/world.ts'

export type Argument = string | number

/** A connection to Redis, be it one server, a master that sentinels name, or a cluster. */
export interface RedisClient {
  /** Resolves when it is connected, rejects when it cannot be. */
  ready(): Promise<void>
  /** One command. Those that are sent in one go are pipelined; on one key they keep their order. */
  call(command: string, ...args: readonly Argument[]): Promise<unknown>
  close(): void
}

export interface RedisSettings {
  readonly address: RedisAddress
  /** Instead of that in the address. */
  readonly password: string | null
  /** Certificates of those who may vouch for the server, PEM; null: those that Node.js knows. */
  readonly ca: string | null
  readonly connectTimeoutMs: number
  /** For each command; null: as long as it takes. */
  readonly commandTimeoutMs: number | null
}

export type Connect = (settings: RedisSettings) => RedisClient

let library: Connect | undefined

/** What it takes to reach a Redis: with what is in the files that the configuration names. */
export interface RedisAccess {
  readonly url: string
  readonly password: string | null
  readonly ca: string | null
}

/** Reads the files that the configuration names. Throws `config` where one is missing, or others may read a password. */
export function accessTo(redis: NonNullable<Config['redis']>): RedisAccess {
  return {
    url: redis.url,
    password: readSetting('redis.password_file', redis.password_file, true),
    ca: readSetting('redis.ca_file', redis.ca_file, false),
  }
}

/** Opens a connection to the Redis of the configuration. */
export function openRedis(
  world: World,
  redis: NonNullable<Config['redis']>,
  connectTimeoutMs: number,
): RedisClient {
  return connectTo(world, accessTo(redis), connectTimeoutMs, connectTimeoutMs)
}

/**
 * Opens a connection. ioredis is loaded for it, in 30 ms that nobody pays who has no Redis.
 *
 * @param commandTimeoutMs null: a command may take as long as it takes.
 */
export function connectTo(
  world: World,
  { url, password, ca }: RedisAccess,
  connectTimeoutMs: number,
  commandTimeoutMs: number | null,
): RedisClient {
  const address = parseRedisUrl(url)
  if (address === null) throw new Error('the schema took a URL that is none')
  library ??= (loadPacked(source(), world.program.path) as { connect: Connect }).connect
  return library({ address, password, ca, connectTimeoutMs, commandTimeoutMs })
}

/** @param isSecret others must not read it; its group may be that of the program. */
function readSetting(key: string, path: string | undefined, isSecret: boolean): string | null {
  if (path === undefined) return null
  const wrong = (what: string, hint: string) =>
    new TelecError('config', `${key} is ${path}, which ${what}`, { hint })
  const text = readText(path)
  if (text === null) throw wrong('does not exist', `write it, or remove ${key}`)
  if (isSecret && statSync(path).mode & 0o007) throw wrong('others may read', `chmod o= ${path}`)
  return text.trim()
}

/** What to tell people of a fault: never with what is secret, which ioredis does not repeat. */
export function describeFault(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException
  return message || code || String(error)
}
