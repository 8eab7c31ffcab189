import { readdirSync, readFileSync } from 'node:fs'

/** The processes that have a variable with this value (`NAME=VALUE`) in their environment, by pid. */
export function processesWith(assignment: string): number[] {
  return readdirSync('/proc')
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${Number(pid)}/environ`, 'utf8')
          .split('\0')
          .includes(assignment)
      } catch {
        return false // no process, or one that has ended
      }
    })
    .map(Number)
}
