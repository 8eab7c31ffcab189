import type { ServiceManager, ServiceState } from '../../service/manager.ts'
import type { PatientManager } from '../../service/patient.ts'
import { TelecError } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'

/** systemd gives a start 90 s by default; a unit may say otherwise, or infinity. */
const LONGEST_START_MS = 15 * 60_000
const LOOK_EVERY_MS = 200

/** How long a unit must stay up, and how long its manager may be away meanwhile. */
type Patience = Readonly<Record<'healthyAfterMs' | 'patienceMs', number>>

/** Waits until all of these are well. Throws the first fault. */
export async function untilWell(world: World, looks: readonly (() => Promise<boolean>)[]): Promise<void> {
  for (;;) {
    let areWell = true
    for (const look of looks) areWell = (await look()) && areWell
    if (areWell) return
    await world.sleep(LOOK_EVERY_MS)
  }
}

/**
 * Makes the function that looks at a unit: whether it has been up for long enough. It throws where it is not well.
 *
 * @param before what ran before the restart; undefined for what a target pulls in, where nothing has to run.
 */
export function watch(
  world: World,
  manager: PatientManager,
  { healthyAfterMs, patienceMs }: Patience,
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
      first = null // it is no fault of the new code that it was started again
    }
    const isNew = main !== null && main.identity !== before
    if (isNew && first === null) {
      first = main.identity
      sinceMs = nowMs
    }
    const isUp = isNew && main.identity === first
    const mayRest = before === undefined && first === null && activity !== 'failed'
    if (!isUp && !mayRest) {
      if (activity !== 'failed' && first === null && nowMs < backSinceMs + patienceMs) return false
      const again = `it was started again${healthyAfterMs > 0 ? ` within ${healthyAfterMs / 1000} s` : ''}`
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

/** What runs, for people: by its pid where there is one, and by its unit where there are several. */
export function nameOf({ service }: ServiceManager, main: ServiceState['main'], isOnly: boolean): string {
  if (!main?.pid) return service
  return isOnly ? `pid ${main.pid}` : `${service} (pid ${main.pid})`
}

/** The new code is on the disk, and the service does not work with it. */
export function notWell(message: string, because: string): TelecError {
  return new TelecError('halted', message, {
    because,
    hint: 'look at its log; the code on disk is the new one. After mending: telec-update --retry; to go back: telec-update rollback',
  })
}
