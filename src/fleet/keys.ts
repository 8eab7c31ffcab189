/** The last status of a computer, JSON: what readers of telec's predecessors look at, too. */
export function statusKey(computer: string): string {
  return `system_status:${computer}:deploy`
}

/** A sorted set of the computers, by when each was last heard of (seconds): nobody needs to SCAN a server for them. */
export const COMPUTERS_KEY = 'system_status:computers'

/** Each a set of the computers that halted on the way to a commit, or went back from it. */
export const HALTED_KEYS = 'deployment:halted:'

/** A stream of events that say: a new version may be there. */
export const ANNOUNCEMENTS_KEY = 'deployment:version_available'

/** The names and values of a flat reply, as of ZRANGE WITHSCORES, in pairs. */
export function pairsOf(reply: unknown): [name: string, value: string][] {
  const list = Array.isArray(reply) ? reply.map(String) : []
  return list.flatMap((name, index) => (index % 2 === 0 ? [[name, list[index + 1] ?? '']] : []))
}
