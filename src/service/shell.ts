import { shellWord, TelecError } from '../system/errors.ts'
import { loadLaunch } from '../system/launch.ts'
import type { RunOptions } from '../system/process.ts'
import type { World } from '../system/world.ts'
import { howToFind, NOT_FOUND, searched } from './programs-found.ts'

/** Runs a command of the configuration. */
export async function runShell(world: World, command: string, options: RunOptions) {
  const result = await world.run('/bin/sh', ['-c', command], { ...options, loadLaunch })
  const { code, signal, endedBy, stdout, stderr } = result
  const { env, timeoutMs } = options
  const failed = `failed with ${signal ?? `exit code ${code}`}`
  return {
    ...result,
    how: endedBy === 'timeout' ? `did not end within ${timeoutMs / 1000} s, and was killed` : failed,
    /** Where the shell does not find a program. */
    missing:
      code === NOT_FOUND ? { searched: searched(env), hint: howToFind(world, env, stderr || stdout) } : null,
  }
}

/** What to throw where a command of an update failed. @param name for people. */
export function shellFailure(
  name: string,
  command: string,
  checkout: string,
  { how, stdout, missing }: Awaited<ReturnType<typeof runShell>>,
): TelecError {
  return new TelecError('halted', `${name} ${how}: ${command}`, {
    because: missing ? `${stdout.trim()}\n${missing.searched}` : stdout,
    hint: `${missing?.hint ?? `run it by hand: cd ${shellWord(checkout)} && ${command}`}; then: telec-update --retry`,
  })
}
