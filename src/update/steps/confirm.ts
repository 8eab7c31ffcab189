import { type PatientManager, patient } from '../../service/patient.ts'
import { actAs } from '../../system/account.ts'
import { loadLaunch } from '../../system/launch.ts'
import type { World } from '../../system/world.ts'
import type { StepContext } from '../step.ts'
import { DEFAULT_STOP_TIMEOUT_MS, notWell } from './restart.ts'

const LOOK_EVERY_MS = 200
const HEALTH_EVERY_MS = 1_000
/** systemd gives a start 90 s by default; a unit may say otherwise, or infinity. */
const LONGEST_START_MS = 15 * 60_000
const DEFAULT_HEALTHY_AFTER_MS = 5_000

/** Sees the new main process stay up for `healthy_after`, and `health` pass. */
export async function confirm(context: StepContext): Promise<string> {
  const { world, config, supervised, update } = context
  if (!supervised) return 'left to whoever restarts the service'
  if (!update.service?.asked) return 'there is no new process to wait for'
  const healthyAfterMs = config.service?.healthy_after ?? DEFAULT_HEALTHY_AFTER_MS
  const patienceMs = config.service?.stop_timeout ?? DEFAULT_STOP_TIMEOUT_MS
  const manager = patient(world, supervised.manager, patienceMs)
  const pid = await staysUp(world, manager, update.service.before, healthyAfterMs, patienceMs)
  const isHealthy = await verifyHealth(context)
  return `pid ${pid} is up for ${healthyAfterMs / 1000} s${isHealthy ? ', and healthy' : ''}`
}

async function staysUp(
  world: World,
  manager: PatientManager,
  before: string | null,
  healthyAfterMs: number,
  patienceMs: number,
): Promise<number> {
  let first: string | null = null
  let absences = 0
  let backSince = Number.NEGATIVE_INFINITY
  let deadline = world.monotonic() + healthyAfterMs
  for (;;) {
    const { main, activity, lastExit } = await manager.inspect()
    if (manager.absences() !== absences) {
      absences = manager.absences()
      backSince = world.monotonic()
      first = null // it is no fault of the new code that it was started again
    }
    const isNew = main !== null && main.identity !== before
    if (!isNew && activity !== 'failed' && world.monotonic() < backSince + patienceMs) {
      await world.sleep(LOOK_EVERY_MS)
      continue
    }
    if (isNew && first === null) {
      first = main.identity
      deadline = world.monotonic() + healthyAfterMs
    }
    if (!isNew || main.identity !== first) {
      const again = `it was started again within ${healthyAfterMs / 1000} s`
      const why = main ? again : `it is ${activity}${lastExit ? ` after ${lastExit}` : ''}`
      throw notWell(`${manager.service} did not stay up after the update`, why)
    }
    if (activity === 'running' && world.monotonic() >= deadline) return main.pid
    if (world.monotonic() >= deadline + LONGEST_START_MS) {
      const upS = Math.round(main.uptimeMs / 1000)
      const why = `pid ${main.pid} is up for ${upS} s, and ${manager.name} says: ${activity}`
      throw notWell(`${manager.service} does not get ready`, why)
    }
    await world.sleep(LOOK_EVERY_MS)
  }
}

/** @returns whether there is something that tells. */
async function verifyHealth({ world, config, repository }: StepContext): Promise<boolean> {
  const { health, health_timeout = 0 } = config.service ?? {}
  if (!health) return false
  const as = actAs(world, repository.owner)
  const deadline = world.monotonic() + health_timeout
  for (;;) {
    const result = await as.run('/bin/sh', ['-c', health], {
      cwd: repository.workTree,
      env: as.env,
      timeoutMs: Math.max(1_000, deadline - world.monotonic()),
      loadLaunch,
      onLine: () => undefined, // of what it prints only the end is of interest, however much it is
    })
    if (result.code === 0) return true
    const how = `${health}: ${result.signal ?? `exit code ${result.code}`}`
    if (world.monotonic() >= deadline)
      throw notWell('the service is up, but not healthy', `${how}\n${result.stdout}`)
    await world.sleep(HEALTH_EVERY_MS)
  }
}
