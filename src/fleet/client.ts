import type { Paths } from '../config/paths.ts'
import type { RedisConfig } from '../config/schema.ts'
import { loadConfig } from '../config/service.ts'
import { TelecError } from '../system/errors.ts'
import { readText } from '../system/files.ts'
import { within } from '../system/limit.ts'
import { noSuchFile, verifyPrivate, verifySecret } from '../system/trust.ts'
import type { World } from '../system/world.ts'
import type { RedisAccess, RedisClient } from './ioredis.ts'

/** Reads the files that the configuration names. Throws `config` where one is missing, or others may read a password. */
export function accessTo(redis: RedisConfig): RedisAccess {
  return {
    url: redis.url,
    password: readSetting('redis.password_file', redis.password_file, true),
    ca: readSetting('redis.ca_file', redis.ca_file, false),
  }
}

/** The Redis of the first service that has one. Throws `config` where none has. */
export async function redisOf(world: World, services: readonly Paths[]): Promise<RedisConfig> {
  const configs = await Promise.all(services.map((paths) => loadConfig(world, paths)))
  const redis = configs.find((config) => config.redis)?.redis
  if (redis) return redis
  throw new TelecError('config', 'no Redis is configured: redis.url is missing', {
    hint: `set redis.url in ${services.map(({ config }) => config).join(', or in ')}`,
  })
}

export function openRedis(redis: RedisConfig, connectTimeoutMs: number): RedisClient {
  return connectTo(accessTo(redis), connectTimeoutMs, connectTimeoutMs)
}

/** Works over a connection; a time limit holds for both together. */
export type AskRedis = <Value>(work: (client: RedisClient) => Promise<Value>) => Promise<Value>

/** Works over a connection of its own. */
export function withRedis<Value>(
  redis: RedisConfig,
  timeoutMs: number,
  work: (client: RedisClient) => Promise<Value>,
): Promise<Value> {
  const { ask, close } = keepRedis(redis, timeoutMs)
  return ask(work).finally(close)
}

/** One connection for all calls, which is opened again after a fault. */
export function keepRedis(redis: RedisConfig, timeoutMs: number): { ask: AskRedis; close(): void } {
  let kept: RedisClient | null = null
  const once: AskRedis = async (work) => {
    const client = kept ?? openRedis(redis, timeoutMs)
    const opening = kept ? null : client.ready()
    kept = client
    try {
      return await within(opening ? opening.then(() => work(client)) : work(client), timeoutMs)
    } catch (error) {
      client.close()
      kept = null
      throw error
    }
  }
  return {
    ask(work) {
      const wasOpen = kept !== null
      return once(work).catch((error) => {
        if (wasOpen) return once(work) // the server may have restarted
        throw error
      })
    },
    close: () => kept?.close(),
  }
}

/** Makes a fault of Redis a TelecError, which is retried. */
export function redisFault(message: string, hint: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof TelecError) throw error
    throw new TelecError('later', message, { because: describeFault(error), hint })
  }
}

/**
 * Opens a connection, and loads ioredis only here: that takes 30 ms.
 *
 * @param commandTimeoutMs null: without limit.
 */
export function connectTo(
  access: RedisAccess,
  connectTimeoutMs: number,
  commandTimeoutMs: number | null,
): RedisClient {
  const opening = import('./ioredis.ts').then(({ connect }) =>
    connect(access, connectTimeoutMs, commandTimeoutMs),
  )
  return {
    ready: async () => (await opening).ready(),
    call: async (shape, command, ...args) => (await opening).call(shape, command, ...args),
    keys: async (pattern) => (await opening).keys(pattern),
    close: () => void opening.then((client) => client.close()),
  }
}

/** @param isSecret others must not be able to read the file; its group may. */
function readSetting(key: string, path: string | undefined, isSecret: boolean): string | null {
  if (path === undefined) return null
  const text = readText(path)
  if (text === null) throw noSuchFile(key, `write it, or remove ${key}`)
  verifyPrivate(path, true, undefined, key)
  if (isSecret) verifySecret(`${key} is`, path, true)
  return text.trim()
}

/** Why it failed, for messages; ioredis repeats no password. */
export function describeFault(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException
  return message || code || String(error)
}
