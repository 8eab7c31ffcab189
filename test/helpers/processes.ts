import { readdirSync, readFileSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import type { Computer } from './computer.ts'

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

/** What a test leaves running on purpose, or would if it failed, is ended with it. */
export function endLeftovers(computer: Computer): void {
  onTestFinished(() => {
    for (const pid of processesWith(`TELEC_HOME=${computer.home}`)) process.kill(pid, 'SIGKILL')
  })
}
