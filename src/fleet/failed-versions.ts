import type { RedisClient } from './ioredis.ts'

/** A version that nobody takes any more is forgotten. */
const FORGOTTEN_AFTER_S = 30 * 24 * 3_600

function key(commit: string): string {
  return `deployment:halted:${commit}`
}

export async function reportHalted(client: RedisClient, commit: string, computer: string): Promise<void> {
  await client.call('SADD', key(commit), computer)
  await client.call('EXPIRE', key(commit), FORGOTTEN_AFTER_S)
}

export async function reportUpdated(client: RedisClient, commit: string, computer: string): Promise<void> {
  await client.call('SREM', key(commit), computer)
}

/** The computers that halted on the way to this commit, or went back from it. */
export async function haltedAt(client: RedisClient, commit: string): Promise<string[]> {
  const reply = await client.call('SMEMBERS', key(commit))
  return Array.isArray(reply) ? reply.map(String) : []
}
