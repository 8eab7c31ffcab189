import { kill } from 'node:process'
import { restartRequest, restartUnit, type Scope } from '../config/paths.ts'
import { systemErrorCode, TelecError } from '../system/errors.ts'
import { touchOrCreate } from '../system/files.ts'
import type { World } from '../system/world.ts'
import type { UnitValues } from './plan.ts'

/** A unit of root's that restarts one unit of the service, and the file that asks for it. */
export interface RootUnit {
  readonly name: string
  readonly request: string
}

/** Whether the manager of that scope takes commands from this user. */
export function takesCommands({ uid }: World, scope: Scope): boolean {
  return scope === 'user' || uid === 0
}

/** The restarts that the owner of the checkout needs root for. The names are those of a service without a name. */
export function rootUnits({ owner, config: { service }, paths }: UnitValues) {
  if (!owner || owner.uid === 0 || !service || service.restart === 'none') return []
  return service.names.map((unit, index) => ({
    unit,
    name: restartUnit(index),
    request: restartRequest(paths, index),
  }))
}

export interface RootUnitState {
  /** Differs from run to run. */
  readonly run: string
  readonly isRunning: boolean
  /** How the last run failed; null: it succeeded. */
  readonly failure: string | null
}

const ASK_EVERY_MS = 100
/** Longer than launchd's throttle of 10 s, the events of the file system and the restart together. */
const TIMEOUT_MS = 60_000

/**
 * Has root restart the service, and returns when its manager did it. Throws `config` where root's unit does not do it, for
 * `halted` is a service that does not start, and `later` where the manager does not answer.
 *
 * @param inspect the state of root's unit, or why it cannot run; null: the manager does not answer.
 */
export async function askRoot(
  world: World,
  service: string,
  request: string,
  hint: string,
  inspect: () => Promise<RootUnitState | string | null>,
): Promise<void> {
  const fault = (because: string, kind: 'config' | 'later' = 'config') =>
    new TelecError(kind, `root's units do not restart ${service}`, { because, hint })
  const deadline = world.monotonic() + TIMEOUT_MS
  for (let before: string | undefined; ; await world.sleep(ASK_EVERY_MS)) {
    const state = await inspect()
    if (typeof state === 'string') throw fault(state)
    if (state && before === undefined) {
      // A killed update asked already: nothing sees a second request meanwhile, and one restart is enough.
      before = state.isRunning ? 'an earlier run' : state.run
      if (!state.isRunning) touchOrCreate(request, world.now())
    } else if (state && state.run !== before && !state.isRunning) {
      if (state.failure === null) return
      throw fault(state.failure)
    }
    if (world.monotonic() > deadline)
      throw before === undefined ? fault('launchd does not answer', 'later') : fault('it was not started')
  }
}

/** Sends SIGTERM to a process, if there is one; false: it belongs to another user. */
export function terminate(pid: number | null | undefined): boolean {
  try {
    if (pid) kill(pid, 'SIGTERM')
    return true
  } catch (error) {
    if (systemErrorCode(error) === 'EPERM') return false
    if (systemErrorCode(error) === 'ESRCH') return true // it has exited already
    throw error
  }
}
