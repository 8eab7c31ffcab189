import type { ServiceManager, ServiceState } from '../../service/manager.ts'
import type { PatientManager } from '../../service/patient.ts'
import { TelecError } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'

/** systemd gives a start 90 s by default; a unit may set another time, or infinity. */
const LONGEST_START_MS = 15 * 60_000
const CHECK_EVERY_MS = 200

/** Waits until all checks pass. Throws the first fault. */
export async function untilAllUp(world: World, checks: readonly (() => Promise<boolean>)[]): Promise<void> {
  for (;;) {
    let areUp = true
    for (const check of checks) areUp = (await check()) && areUp
    if (areUp) return
    await world.sleep(CHECK_EVERY_MS)
  }
}

/**
 * Makes the check of one unit: whether it is up for long enough. The check throws where the unit fails or restarts.
 *
 * @param before the main process before the restart; undefined for a member of a target, which need not run.
 */
export function staysUp(
  world: World,
  manager: PatientManager,
  healthyAfterMs: number,
  before?: string | null,
): () => Promise<boolean> {
  let first: string | null = null
  let absences = 0
  let backSinceMs = Number.NEGATIVE_INFINITY
  let sinceMs = world.monotonic()
  return async () => {
    const { main, activity, lastExit } = await manager.inspect()
    const nowMs = world.monotonic()
    if (manager.absences() !== absences) {
      absences = manager.absences()
      backSinceMs = nowMs
      first = null // the manager may have restarted it
    }
    const isNew = main !== null && main.identity !== before
    if (isNew && first === null) {
      first = main.identity
      sinceMs = nowMs
    }
    const isUp = isNew && main.identity === first
    const mayRest = before === undefined && first === null && activity !== 'failed'
    if (!isUp && !mayRest) {
      if (activity !== 'failed' && first === null && nowMs < backSinceMs + manager.patienceMs) return false
      const again = `it restarted${healthyAfterMs > 0 ? ` within ${healthyAfterMs / 1000} s` : ''}`
      const why = main ? again : `it is ${activity}${lastExit ? ` after ${lastExit}` : ''}`
      throw notWell(`${manager.service} did not stay up after the update`, why)
    }
    if (activity !== 'starting' && nowMs >= sinceMs + healthyAfterMs) return true
    if (nowMs >= sinceMs + healthyAfterMs + LONGEST_START_MS) {
      const upS = Math.round((main?.uptimeMs ?? 0) / 1000)
      const why = `${nameOf(manager, main, true)} is up for ${upS} s, and ${manager.name} says: ${activity}`
      throw notWell(`${manager.service} does not get ready`, why)
    }
    return false
  }
}

/** For messages: the pid where there is one, and the unit where there are several. */
export function nameOf({ service }: ServiceManager, main: ServiceState['main'], isOnly: boolean): string {
  if (!main?.pid) return service
  return isOnly ? `pid ${main.pid}` : `${service} (pid ${main.pid})`
}

/** The service does not work with the new code. */
export function notWell(message: string, because: string): TelecError {
  return new TelecError('halted', message, {
    because,
    hint: 'look at its log and fix it, then telec-update --retry; or roll back: telec-update rollback',
  })
}
