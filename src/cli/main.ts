import type { Command } from 'commander'
import { asAsked } from '../config/services.ts'
import { EXIT, foreseen, systemFault, TelecError } from '../system/errors.ts'
import { signalAllGroups } from '../system/groups.ts'
import { withoutLogins } from '../system/logins.ts'
import { removeTemporaryFolders } from '../system/temporary.ts'
import { COMMIT, VERSION } from '../system/version.ts'
import { realWorld, type World } from '../system/world.ts'

/** Defines a command; its action calls `exitWith` where the program is to exit with another code than 0. */
export type DefineCommand = (world: World, exitWith: (code: number) => void) => Command

/** Runs a program. This alone sets the exit code. */
export async function main(program: string, work: (world: World) => Promise<number>): Promise<void> {
  const world = realWorld(program)
  handleSignals(world)
  // Thrown in an event, as where standard output is on a full disk.
  process.on('uncaughtException', (error) => process.exit(explain(world, systemFault(error) ?? error)))
  try {
    process.exitCode = await work(world)
  } catch (error) {
    process.exitCode = explain(world, systemFault(error) ?? error)
  }
}

/** Prints an error: what failed, why, what to do. @returns the exit code. */
function explain(world: World, error: unknown): number {
  const { name } = world.program
  if (error instanceof TelecError) {
    const say = world.log[levelOf(error)]
    say(`${name}: ${asAsked(world, error.message)}`)
    for (const line of error.because ? error.because.split('\n') : []) say(`  ${line}`)
    if (error.hint) say(`  what to do: ${asAsked(world, error.hint)}`)
    world.log.outcome(error.message)
    return EXIT[error.kind]
  }
  world.log.error(`${name}: a bug in telec ${VERSION} (${COMMIT}); please report it with these lines`)
  world.log.error(withoutLogins(error instanceof Error ? (error.stack ?? error.message) : String(error)))
  return EXIT.halted
}

/** Prints an error that ends nothing, in one line. */
export function warn({ log }: World): (error: unknown) => void {
  return (error) => {
    const { message, because, hint } = foreseen(error)
    log.warning([message, because, hint].filter(Boolean).join('; '))
  }
}

function levelOf({ quiet, kind }: TelecError): 'error' | 'warning' | 'notice' | 'debug' {
  if (quiet) return 'debug' // it was printed before
  if (kind === 'later') return 'warning' // telec retries automatically
  return kind === 'restart' ? 'notice' : 'error'
}

/** Ends telec's children, too: they have process groups of their own, so that a Ctrl-C does not reach them. */
function handleSignals({ log }: World): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.prependOnceListener(signal, () => {
      signalAllGroups('SIGTERM')
      // Another listener (telec run) ends the program later.
      if (process.listenerCount(signal) > 0) return
      log.progress(null)
      log.killed()
      removeTemporaryFolders()
      process.kill(process.pid, signal)
    })
}
