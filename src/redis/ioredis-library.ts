import { Cluster, Redis, type RedisOptions } from 'ioredis'
import type { Connect } from './client.ts'

const LONGEST_PAUSE_MS = 30_000

/**
 * ioredis as telec uses it: one that gives up at once for programs that have other things to do, one that never does for
 * the listener. Its own file, since it is loaded only where Redis is configured.
 */
export const connect: Connect = ({ address, password, ca, timeoutMs, isPatient }, onFault) => {
  const retry = isPatient ? (attempt: number) => Math.min(100 * 2 ** attempt, LONGEST_PAUSE_MS) : () => null
  const trust = ca === null ? {} : { ca }
  const shared = {
    ...(address.username === null ? {} : { username: address.username }),
    ...(password === null ? {} : { password }),
    ...(address.isTls ? { tls: trust } : {}),
    ...(isPatient ? {} : { commandTimeout: timeoutMs }),
    connectTimeout: timeoutMs,
    maxRetriesPerRequest: isPatient ? null : 0,
  } satisfies Partial<RedisOptions>
  const client = open()
  // Without a listener it would end the program. What a call rejects with may only be that the connection is gone.
  let fault: Error | null = null
  client.on('error', (error: Error) => {
    fault = error
    onFault(error)
  })
  const because = (error: unknown): never => {
    throw fault ?? error
  }
  return {
    ready: () =>
      new Promise<void>((resolve, reject) => {
        if (!isPatient) client.once('error', reject) // ioredis would wait for its own time limit
        client.connect().catch(because).then(resolve, reject)
      }),
    call: (command, ...args) => client.call(command, ...args.map(String)).catch(because),
    close: () => client.disconnect(),
  }

  function open(): Redis | Cluster {
    const nodes = address.nodes.map((node) => ({ ...node }))
    const common = { lazyConnect: true, enableAutoPipelining: true }
    if (address.kind === 'cluster')
      return new Cluster(nodes, {
        ...common,
        redisOptions: shared,
        clusterRetryStrategy: retry,
        slotsRefreshTimeout: timeoutMs,
      })
    const options = { ...common, ...shared, db: address.database, retryStrategy: retry }
    if (address.kind === 'single') return new Redis({ ...options, ...nodes[0] })
    return new Redis({
      ...options,
      sentinels: nodes,
      name: address.master ?? '',
      sentinelRetryStrategy: retry,
      ...(address.isTls ? { enableTLSForSentinelMode: true, sentinelTLS: trust } : {}),
    })
  }
}
