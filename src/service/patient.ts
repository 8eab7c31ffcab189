import { TelecError } from '../system/errors.ts'
import type { World } from '../system/world.ts'
import type { ServiceManager } from './manager.ts'

const ASK_AGAIN_MS = 200

/** A manager that is asked again where it does not answer. */
export interface PatientManager extends ServiceManager {
  /** How many times it was away or started anew: the units may have been started anew with it. */
  absences(): number
}

/**
 * Asks again where the manager does not answer, until it has been away for `patienceMs`; then its `later` is thrown.
 *
 * @param absences of the manager, for all of whose units are watched together.
 */
export function patient(
  world: World,
  manager: ServiceManager,
  patienceMs: number,
  absences = { count: 0 },
): PatientManager {
  const persist = async <Value>(ask: (isAgain: boolean) => Promise<Value>): Promise<Value> => {
    let deadline: number | null = null
    for (;;) {
      try {
        return await ask(deadline !== null)
      } catch (error) {
        if (!(error instanceof TelecError) || error.kind !== 'later') throw error
        if (deadline === null) {
          deadline = world.monotonic() + patienceMs
          absences.count += 1
          world.log.notice(
            `${manager.name} is restarting or does not answer: asking again for ${patienceMs / 1000} s`,
          )
        }
        if (world.monotonic() >= deadline) throw error
        await world.sleep(ASK_AGAIN_MS)
      }
    }
  }
  const inspect = () => persist(() => manager.inspect())
  // Its answer may be lost although it did as told: an order is not given to another main process.
  const order = (give: () => Promise<void>) => async () => {
    const { main } = await inspect()
    await persist(async (isAgain) => {
      const now = isAgain ? (await manager.inspect()).main : main
      if (now?.identity === main?.identity) await give()
    })
  }
  return {
    name: manager.name,
    service: manager.service,
    inspect,
    members: () => persist(() => manager.members()),
    terminate: order(() => manager.terminate()),
    start: order(() => manager.start()),
    restart: order(() => manager.restart()),
    absences: () => absences.count,
  }
}
