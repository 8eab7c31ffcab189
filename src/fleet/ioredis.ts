import { Cluster, Redis, type RedisOptions } from 'ioredis'
import replyHandling from 'ioredis/built/DataHandler.js'
import { Decoder } from 'ioredis/built/resp/decoder.js'
import * as v from 'valibot'
import { parseRedisUrl } from '../config/redis-url.ts'
import { createDecoder } from './decoder.ts'
import { Scan } from './replies.ts'

/** A connection to Redis: one server, a master behind sentinels, or a cluster. */
export interface RedisClient {
  /** Resolves when it is connected, rejects when it cannot be. */
  ready(): Promise<void>
  /**
   * Sends one command; rejects where the reply has another shape. Commands of one tick are pipelined, and keep their order
   * on a key.
   */
  call<Shape extends v.GenericSchema>(
    shape: Shape,
    command: string,
    ...args: readonly (string | number)[]
  ): Promise<v.InferOutput<Shape>>
  /** The keys that match a pattern; slow: it scans every key of the server. */
  keys(pattern: string): Promise<string[]>
  close(): void
}

export interface RedisAccess {
  readonly url: string
  readonly password: string | null
  /** Trusted certificate authorities, PEM; null: those of Node.js. */
  readonly ca: string | null
}

// The reader of ioredis 6 allocates as many replies as a list claims to have, up to all memory: telec replaces it.
const readers = new WeakMap<Decoder, (piece: Buffer) => void>()
Decoder.prototype.write = function (piece: Buffer) {
  const onReply = (reply: unknown) =>
    reply instanceof Error ? this.onErrorReply(reply) : this.onReply(reply)
  const read = readers.get(this) ?? createDecoder(onReply)
  readers.set(this, read)
  read(piece)
}

// On a reply to no command ioredis throws where nobody can catch it. Thrown here, it closes the connection only.
const { default: DataHandler } = replyHandling as unknown as { default: typeof replyHandling } // it is CommonJS
const dispatch = (handle: () => void) => {
  try {
    handle()
  } catch {
    throw new Error('Redis sent a reply to no command')
  }
}
Object.assign(DataHandler.prototype, { dispatch })

/** The most that may arrive while a command waits for its reply; parsed, it takes several times this in memory. */
const MOST_BYTES = 8 * 1024 * 1024

/**
 * Connects without retries: the caller opens another connection. A file of its own, loaded only where Redis is configured.
 *
 * @param commandTimeoutMs null: without limit.
 */
export function connect(
  access: RedisAccess,
  connectTimeoutMs: number,
  commandTimeoutMs: number | null,
): RedisClient {
  const client = open(access, connectTimeoutMs, commandTimeoutMs)
  // Without a listener it would end the program; and it says why, where a call says only that the connection is closed.
  let fault: Error | null = null
  client.on('error', (error: Error) => {
    fault = error
  })
  let waiting = 0
  let received = 0
  const count = (server: Redis) =>
    server.on('connect', () =>
      server.stream.on('data', ({ length }: Buffer) => {
        received += length
        const excess = new Error(`Redis sent more than ${MOST_BYTES / 1024 / 1024} MiB`)
        if (received > MOST_BYTES) server.stream.destroy(excess)
      }),
    )
  if (client instanceof Cluster) client.on('+node', count)
  else count(client)
  const bounded = async <Reply>(asking: () => Promise<Reply>): Promise<Reply> => {
    if (waiting === 0) received = 0
    waiting += 1
    try {
      return await asking()
    } catch (error) {
      throw fault ?? error
    } finally {
      waiting -= 1
    }
  }
  return {
    ready: () =>
      new Promise<void>((resolve, reject) => {
        client.once('error', reject) // ioredis itself waits for its timeout
        bounded(() => client.connect()).then(resolve, reject)
      }),
    call: (shape, command, ...args) => bounded(() => call(client, shape, command, ...args)),
    keys: (match) => {
      const servers = client instanceof Cluster ? client.nodes('master') : [client]
      return bounded(async () => (await Promise.all(servers.map((server) => keysOf(server, match)))).flat())
    },
    close: () => client.disconnect(),
  }
}

async function call<Shape extends v.GenericSchema>(
  client: Redis | Cluster,
  shape: Shape,
  command: string,
  ...args: readonly (string | number)[]
): Promise<v.InferOutput<Shape>> {
  const reply = v.safeParse(shape, await client.call(command, ...args.map(String)), { abortEarly: true })
  if (!reply.success) throw new Error(`Redis answers ${command} with an invalid reply`)
  return reply.output
}

async function keysOf(server: Redis, match: string): Promise<string[]> {
  const found = new Set<string>() // SCAN may name a key twice
  let cursor = '0'
  do {
    const [next, keys] = await call(server, Scan, 'SCAN', cursor, 'MATCH', match, 'COUNT', 1_000)
    for (const key of keys) found.add(key)
    cursor = next
  } while (cursor !== '0')
  return [...found]
}

function open(
  { url, password, ca }: RedisAccess,
  connectTimeoutMs: number,
  commandTimeoutMs: number | null,
): Redis | Cluster {
  const address = parseRedisUrl(url)
  if (address === null) throw new Error('the schema accepted an invalid URL')
  const { nodes, isTls } = address
  const retry = () => null
  const trust = ca === null ? {} : { ca }
  const common = { lazyConnect: true, enableAutoPipelining: true }
  const shared = {
    username: address.username,
    password: password ?? address.password,
    ...(isTls ? { tls: trust } : {}),
    ...(commandTimeoutMs === null ? {} : { commandTimeout: commandTimeoutMs }),
    connectTimeout: connectTimeoutMs,
    maxRetriesPerRequest: 0,
    protocol: 2, // which every server speaks
  } satisfies Partial<RedisOptions>
  if (address.kind === 'cluster')
    return new Cluster(nodes, {
      ...common,
      redisOptions: shared,
      clusterRetryStrategy: retry,
      slotsRefreshTimeout: connectTimeoutMs,
    })
  const options = { ...common, ...shared, db: address.database, retryStrategy: retry }
  if (address.kind === 'single') return new Redis({ ...options, ...nodes[0] })
  return new Redis({
    ...options,
    sentinels: nodes,
    name: address.master,
    sentinelRetryStrategy: retry,
    ...(isTls ? { enableTLSForSentinelMode: true, sentinelTLS: trust } : {}),
  })
}
