/** The last status of a computer, JSON: what readers of telec's predecessors look at, too. */
export function statusKey(computer: string): string {
  return `system_status:${computer}:deploy`
}

/** A sorted set of the computers, by when each was last heard of (seconds): nobody needs to SCAN a server for them. */
export const COMPUTERS_KEY = 'system_status:computers'

/** A stream of events that say: a new version may be there. */
export const ANNOUNCEMENTS_KEY = 'deployment:version_available'
