import { join } from 'node:path'
import { requireTool } from './missing-tool.ts'
import { type Ended, execute, type ProcessOptions } from './programs.ts'

/** Keys as a terminal sends them. */
export const KEY = { enter: '\r', down: '\u001b[B', interrupt: '\u0003' } as const

/** What to wait for, and what to type then. */
export type Exchange = readonly [shown: string, keys: string]

/** Runs a program in a terminal of its own and has that dialogue with it; `stdout` is all that was shown. */
export function inTerminal(
  dialogue: readonly Exchange[],
  command: readonly string[],
  options: ProcessOptions = {},
): Promise<Ended> {
  requireTool('python3', 'python3')
  const script = join(import.meta.dirname, 'terminal.py')
  return execute('python3', [script, JSON.stringify(dialogue), ...command], options)
}
