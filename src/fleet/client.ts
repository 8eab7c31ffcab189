import { parseRedisUrl } from '../config/redis-url.ts'
import type { Config } from '../config/schema.ts'
import { readText } from '../system/files.ts'
import { verifySecret, wrongPath } from '../system/trust.ts'
import type { RedisClient } from './ioredis.ts'

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
export function openRedis(redis: NonNullable<Config['redis']>, connectTimeoutMs: number): RedisClient {
  return connectTo(accessTo(redis), connectTimeoutMs, connectTimeoutMs)
}

/**
 * Opens a connection. ioredis is loaded for it, in 30 ms that nobody pays who has no Redis.
 *
 * @param commandTimeoutMs null: a command may take as long as it takes.
 */
export function connectTo(
  { url, password, ca }: RedisAccess,
  connectTimeoutMs: number,
  commandTimeoutMs: number | null,
): RedisClient {
  const address = parseRedisUrl(url)
  if (address === null) throw new Error('the schema took a URL that is none')
  const settings = { address, password: password ?? address.password, ca, connectTimeoutMs, commandTimeoutMs }
  const opening = import('./ioredis.ts').then(({ connect }) => connect(settings))
  return {
    ready: async () => (await opening).ready(),
    call: async (command, ...args) => (await opening).call(command, ...args),
    close: () => void opening.then((client) => client.close()),
  }
}

/** @param isSecret others must not read it; its group may be that of the program. */
function readSetting(key: string, path: string | undefined, isSecret: boolean): string | null {
  if (path === undefined) return null
  const text = readText(path)
  if (text === null) throw wrongPath(key, path, 'does not exist', `write it, or remove ${key}`)
  if (isSecret) verifySecret(key, path, true)
  return text.trim()
}

/** What to tell people of a fault: never with what is secret, which ioredis does not repeat. */
export function describeFault(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException
  return message || code || String(error)
}
