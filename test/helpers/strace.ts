import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DIST, type Ended, execute, type ProgramName } from './programs.ts'

export interface Injection {
  /** The system call, by strace's name. */
  readonly call: string
  /** Which of them, counted from 1. */
  readonly occurrence: number
  /** `signal=SIGKILL` as the call begins, or `error=ENOSPC` instead of it. */
  readonly effect?: string
  /** Only calls on these paths count; a folder's own entry, not what is in it. */
  readonly paths: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** Where to write the calls that were looked at; those that got another result are marked INJECTED there. */
  readonly trace?: string
}

/** Runs a bundle under strace(1), which does something to one of its system calls. */
export function runInjected(
  program: ProgramName,
  args: readonly string[],
  injection: Injection,
): Promise<Ended> {
  const { call, occurrence, effect = 'signal=SIGKILL', paths, env, trace = '/dev/null' } = injection
  const options = ['-f', '-qq', '-o', trace, ...paths.flatMap((path) => ['-P', path])]
  const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:${effect}:when=${occurrence}`]
  // Node's threads are counted one by one: with a single one, the n-th call is the program's n-th.
  const oneThread = { ...env, UV_THREADPOOL_SIZE: '1' }
  const command = [process.execPath, join(DIST, program), ...args]
  return execute('strace', [...options, ...inject, ...command], { env: oneThread })
}

/** A folder and what is in it now: the paths of a telec home. */
export function pathsIn(folder: string, ...more: readonly string[]): string[] {
  return [folder, ...[...readdirSync(folder), ...more].map((name) => join(folder, name))]
}
