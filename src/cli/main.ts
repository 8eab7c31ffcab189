import type { Command } from 'commander'
import { asAsked } from '../config/services.ts'
import { EXIT, systemFault, TelecError } from '../system/errors.ts'
import { signalAllGroups } from '../system/groups.ts'
import { withoutLogins } from '../system/logins.ts'
import { removeTemporaryFolders } from '../system/temporary.ts'
import { COMMIT, VERSION } from '../system/version.ts'
import { realWorld, type World } from '../system/world.ts'

/** Defines a command; `leave` says with which exit code the program ends once the action is over. */
export type DefineCommand = (world: World, leave: (code: number) => void) => Command

/** Runs a program to its exit code: the one place that sets it. */
export async function main(program: string, work: (world: World) => Promise<number>): Promise<void> {
  const world = realWorld(program)
  passOnSignals(world)
  try {
    process.exitCode = await work(world)
  } catch (error) {
    process.exitCode = explain(world, systemFault(error) ?? error)
  }
}

/** Says what went wrong, in up to three parts: what, why, what to do. Returns the exit code. */
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

function levelOf({ quiet, kind }: TelecError): 'error' | 'warning' | 'notice' | 'debug' {
  if (quiet) return 'debug' // it was said before
  if (kind === 'later') return 'warning' // nobody has to do anything
  return kind === 'restart' ? 'notice' : 'error'
}

/** What telec started goes with it: its children have process groups of their own, which a Ctrl-C does not reach. */
function passOnSignals({ log }: World): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.prependOnceListener(signal, () => {
      signalAllGroups('SIGTERM')
      // Others may listen, too (telec run): only where nobody does is this the end.
      if (process.listenerCount(signal) > 0) return
      log.progress(null)
      log.killed()
      removeTemporaryFolders()
      process.kill(process.pid, signal)
    })
}
