import type { Service } from '../config/service.ts'
import { foreseen } from '../system/errors.ts'
import type { ServiceManager } from './manager.ts'

const ASK_AGAIN_MS = 200

/** A manager to which telec repeats a question without an answer. */
export interface PatientManager extends ServiceManager {
  readonly patienceMs: number
  /** How many times it did not answer, or restarted: the units may have restarted with it. */
  absences(): number
}

/** How long the service may take to stop or to start. */
export function stopTimeoutMs({ config }: Service): number {
  return config.service?.stop_timeout ?? 90_000
}

/**
 * Asks again where the manager does not answer; throws its `later` after `service.stop_timeout`.
 *
 * @param absences is shared by all units of the manager.
 */
export function patient(service: Service, manager: ServiceManager, absences = { count: 0 }): PatientManager {
  const { world } = service
  const patienceMs = stopTimeoutMs(service)
  const persist = async <Value>(ask: (isAgain: boolean) => Promise<Value>): Promise<Value> => {
    let deadline: number | null = null
    for (;;) {
      try {
        return await ask(deadline !== null)
      } catch (error) {
        if (foreseen(error).kind !== 'later') throw error
        if (deadline === null) {
          deadline = world.monotonic() + patienceMs
          absences.count += 1
          world.log.notice(
            `${manager.name} is restarting or does not answer: telec asks again for ${patienceMs / 1000} s`,
          )
        }
        if (world.monotonic() >= deadline) throw error
        await world.sleep(ASK_AGAIN_MS)
      }
    }
  }
  const inspect = () => persist(() => manager.inspect())
  // The manager may have done it although its answer is lost: another main process gets no second command.
  const once = (command: () => Promise<void>) => async () => {
    const { main } = await inspect()
    await persist(async (isAgain) => {
      const now = isAgain ? (await manager.inspect()).main : main
      if (now?.identity === main?.identity) await command()
    })
  }
  return {
    name: manager.name,
    service: manager.service,
    patienceMs,
    inspect,
    members: () => persist(() => manager.members()),
    terminate: once(() => manager.terminate()),
    start: once(() => manager.start()),
    restart: once(() => manager.restart()),
    absences: () => absences.count,
  }
}
