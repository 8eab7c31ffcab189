import { SERVICE_NAME } from '../config/paths.ts'
import { COMPUTER_NAME } from '../config/schema.ts'

/** A computer's name or, for a service that has one, `COMPUTER/NAME`: part of a key, and shown on screens. */
export function isName(text: string): boolean {
  const [computer = '', service, ...rest] = text.split('/')
  const isService = service === undefined || SERVICE_NAME.test(service)
  return COMPUTER_NAME.test(computer) && isService && rest.length === 0
}

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
