import { commandEnvironment } from '../../service/environment.ts'
import type { ServiceManager } from '../../service/manager.ts'
import { patient } from '../../service/patient.ts'
import { howToFind, NOT_FOUND, searched } from '../../service/programs-found.ts'
import { restartOf } from '../../state/update-state.ts'
import { TelecError } from '../../system/errors.ts'
import { loadLaunch } from '../../system/launch.ts'
import type { StepContext } from '../step.ts'
import { DEFAULT_STOP_TIMEOUT_MS } from './restart.ts'
import { nameOf, notWell, untilWell, watch } from './stays-up.ts'

const HEALTH_EVERY_MS = 1_000
const DEFAULT_HEALTHY_AFTER_MS = 5_000

/** Sees each unit that was restarted stay up for `healthy_after`, with what it pulls in; then `health` pass, once for all. */
export async function confirm(context: StepContext): Promise<string> {
  const { world, config, supervised, update } = context
  if (!supervised) return 'left to whoever restarts the service'
  const times = {
    healthyAfterMs: config.service?.healthy_after ?? DEFAULT_HEALTHY_AFTER_MS,
    patienceMs: config.service?.stop_timeout ?? DEFAULT_STOP_TIMEOUT_MS,
  }
  const isOnly = supervised.managers.length === 1
  const absences = { count: 0 }
  const patiently = (manager: ServiceManager) => patient(world, manager, times.patienceMs, absences)
  const looks: (() => Promise<boolean>)[] = []
  const restarted: { manager: ServiceManager; members: readonly ServiceManager[] }[] = []
  for (const one of supervised.managers) {
    const memory = restartOf(update, one.service, isOnly)
    if (!memory?.asked) continue
    const manager = patiently(one)
    const members = (await manager.members()).map(patiently)
    looks.push(
      watch(world, manager, times, memory.before),
      ...members.map((member) => watch(world, member, times)),
    )
    restarted.push({ manager, members })
  }
  if (restarted.length === 0) return 'there is no new process to wait for'
  await untilWell(world, looks)
  const who: string[] = []
  for (const { manager, members } of restarted) {
    const { main } = await manager.inspect()
    who.push(nameOf(manager, main, isOnly), ...members.map(({ service }) => service))
  }
  const isHealthy = await verifyHealth(context)
  const are = who.length > 1 ? 'are' : 'is'
  return `${who.join(', ')} ${are} up for ${times.healthyAfterMs / 1000} s${isHealthy ? ', and healthy' : ''}`
}

/** @returns whether there is something that tells. */
async function verifyHealth(context: StepContext): Promise<boolean> {
  const { world, config, repository } = context
  const { health, health_timeout = 0 } = config.service ?? {}
  if (!health) return false
  const env = await commandEnvironment(context)
  const deadline = world.monotonic() + health_timeout
  for (;;) {
    const result = await world.run('/bin/sh', ['-c', health], {
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
