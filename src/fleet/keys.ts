import { SERVICE_NAME } from '../config/paths.ts'
import { COMPUTER_NAME } from '../config/schema.ts'

/** `COMPUTER`, or `COMPUTER/NAME` for a named service. */
export function isName(text: string): boolean {
  const [computer = '', service, ...rest] = text.split('/')
  const isService = service === undefined || SERVICE_NAME.test(service)
  return COMPUTER_NAME.test(computer) && isService && rest.length === 0
}

/** The last status of a computer, JSON; programs for telec's predecessors read it, too. */
export function statusKey(computer: string): string {
  return `system_status:${computer}:deploy`
}

/** A sorted set of the computers, by the time of their last report (seconds): it saves a SCAN. */
export const COMPUTERS_KEY = 'system_status:computers'

/** Each a set of the computers that halted at a commit, or rolled it back. */
export const HALTED_KEYS = 'deployment:halted:'

/** A stream of announcements. */
export const ANNOUNCEMENTS_KEY = 'deployment:version_available'
