import { commandEnvironment } from '../../service/environment.ts'
import { type PatientManager, patient } from '../../service/patient.ts'
import { howToFind, NOT_FOUND, searched } from '../../service/programs-found.ts'
import { actAs } from '../../system/account.ts'
import { TelecError } from '../../system/errors.ts'
import { loadLaunch } from '../../system/launch.ts'
import type { World } from '../../system/world.ts'
import type { StepContext } from '../step.ts'
import { DEFAULT_STOP_TIMEOUT_MS, nameOf, notWell } from './restart.ts'

const LOOK_EVERY_MS = 200
const HEALTH_EVERY_MS = 1_000
/** systemd gives a start 90 s by default; a unit may say otherwise, or infinity. */
const LONGEST_START_MS = 15 * 60_000
const DEFAULT_HEALTHY_AFTER_MS = 5_000

/** Sees what was restarted stay up for `healthy_after`, with what it pulls in, and `health` pass. */
export async function confirm(context: StepContext): Promise<string> {
  const { world, config, supervised, update } = context
  if (!supervised) return 'left to whoever restarts the service'
  if (!update.service?.asked) return 'there is no new process to wait for'
  const times = {
    healthyAfterMs: config.service?.healthy_after ?? DEFAULT_HEALTHY_AFTER_MS,
    patienceMs: config.service?.stop_timeout ?? DEFAULT_STOP_TIMEOUT_MS,
  }
  const manager = patient(world, supervised.manager, times.patienceMs)
  const members = (await manager.members()).map((member) => patient(world, member, times.patienceMs))
  const looks = [
    watch(world, manager, times, update.service.before),
    ...members.map((member) => watch(world, member, times)),
  ]
  for (;;) {
    const well = await eachInTurn(looks)
    if (well.every((isWell) => isWell)) break
    await world.sleep(LOOK_EVERY_MS)
  }
  const { main } = await manager.inspect()
  const who = [main ? nameOf(manager, main) : manager.service, ...members.map(({ service }) => service)]
  const isHealthy = await verifyHealth(context)
  const are = members.length > 0 ? 'are' : 'is'
  return `${who.join(', ')} ${are} up for ${times.healthyAfterMs / 1000} s${isHealthy ? ', and healthy' : ''}`
}

async function eachInTurn<Value>(asks: readonly (() => Promise<Value>)[]): Promise<Value[]> {
  const values: Value[] = []
  for (const ask of asks) values.push(await ask())
  return values
}

/**
 * Makes the function that looks at a unit: whether it has been up for long enough. It throws where it is not well.
 *
 * @param before what ran before the restart; undefined for what a target pulls in, where nothing has to run.
 */
function watch(
  world: World,
  manager: PatientManager,
  { healthyAfterMs, patienceMs }: Readonly<Record<'healthyAfterMs' | 'patienceMs', number>>,
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
      const again = `it was started again within ${healthyAfterMs / 1000} s`
      const why = main ? again : `it is ${activity}${lastExit ? ` after ${lastExit}` : ''}`
      throw notWell(`${manager.service} did not stay up after the update`, why)
    }
    if (activity !== 'starting' && nowMs >= sinceMs + healthyAfterMs) return true
    if (nowMs >= sinceMs + healthyAfterMs + LONGEST_START_MS) {
      const upS = Math.round((main?.uptimeMs ?? 0) / 1000)
      const why = `${main ? nameOf(manager, main) : manager.service} is up for ${upS} s, and ${manager.name} says: ${activity}`
      throw notWell(`${manager.service} does not get ready`, why)
    }
    return false
  }
}

/** @returns whether there is something that tells. */
async function verifyHealth(context: StepContext): Promise<boolean> {
  const { world, config, repository } = context
  const { health, health_timeout = 0 } = config.service ?? {}
  if (!health) return false
  const as = actAs(world, repository.owner)
  const env = await commandEnvironment(context, repository.owner)
  const deadline = world.monotonic() + health_timeout
  for (;;) {
    const result = await as.run('/bin/sh', ['-c', health], {
      cwd: repository.workTree,
      env,
      timeoutMs: Math.max(1_000, deadline - world.monotonic()),
      loadLaunch,
      onLine: () => undefined, // of what it prints only the end is of interest, however much it is
    })
    if (result.code === 0) return true
    const how = `${health}: ${result.signal ?? `exit code ${result.code}`}`
    if (world.monotonic() >= deadline) {
      const said = `${how}\n${result.stdout}`
      if (result.code !== NOT_FOUND) throw notWell('the service is up, but not healthy', said)
      throw new TelecError('halted', 'the service is up, and whether it is healthy is not known', {
        because: `${said.trim()}\n${searched(env)}`,
        hint: `${howToFind(world, env, result.stdout)}; then: telec-update --retry`,
      })
    }
    await world.sleep(HEALTH_EVERY_MS)
  }
}
