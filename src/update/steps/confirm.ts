import { commandEnvironment } from '../../service/environment.ts'
import type { ServiceManager } from '../../service/manager.ts'
import { patient } from '../../service/patient.ts'
import { runShell } from '../../service/shell.ts'
import { restartOf } from '../../state/update-state.ts'
import { TelecError } from '../../system/errors.ts'
import type { StepContext } from '../context.ts'
import { nameOf, notWell, staysUp, untilAllUp } from './stays-up.ts'

const HEALTH_EVERY_MS = 1_000
const DEFAULT_HEALTHY_AFTER_MS = 5_000

/** Waits until each restarted unit, and the members of a target, are up for `healthy_after`; then `health` has to pass. */
export async function confirm(context: StepContext): Promise<string> {
  const { world, config, supervised, update } = context
  if (!supervised) return 'the caller restarts the service'
  const healthyAfterMs = config.service?.healthy_after ?? DEFAULT_HEALTHY_AFTER_MS
  const isOnly = supervised.managers.length === 1
  const absences = { count: 0 }
  const patiently = (manager: ServiceManager) => patient(context, manager, absences)
  const checks: (() => Promise<boolean>)[] = []
  const restarted: { manager: ServiceManager; members: readonly ServiceManager[] }[] = []
  for (const one of supervised.managers) {
    const memory = restartOf(update, one.service, isOnly)
    if (!memory?.asked) continue
    const manager = patiently(one)
    const members = (await manager.members()).map(patiently)
    checks.push(staysUp(world, manager, healthyAfterMs, memory.before))
    checks.push(...members.map((member) => staysUp(world, member, healthyAfterMs)))
    restarted.push({ manager, members })
  }
  if (restarted.length === 0) return 'no unit was restarted'
  await untilAllUp(world, checks)
  const names: string[] = []
  for (const { manager, members } of restarted) {
    const { main } = await manager.inspect()
    names.push(nameOf(manager, main, isOnly), ...members.map(({ service }) => service))
  }
  const isHealthy = await verifyHealth(context)
  const are = names.length > 1 ? 'are' : 'is'
  return `${names.join(', ')} ${are} up for ${healthyAfterMs / 1000} s${isHealthy ? ', and healthy' : ''}`
}

/** @returns whether a health check is configured. */
async function verifyHealth(context: StepContext): Promise<boolean> {
  const { world, config, repository } = context
  const { health, health_timeout = 0 } = config.service ?? {}
  if (!health) return false
  const env = await commandEnvironment(context)
  const deadline = world.monotonic() + health_timeout
  for (;;) {
    const result = await runShell(world, health, {
      cwd: repository.workTree,
      env,
      timeoutMs: Math.max(1_000, deadline - world.monotonic()),
      onLine: () => undefined, // keeps only the end of its output, however long
    })
    if (result.code === 0) return true
    if (world.monotonic() >= deadline) {
      const output = `${health}: ${result.signal ?? `exit code ${result.code}`}\n${result.stdout}`
      const { missing } = result
      if (!missing) throw notWell('the service is up, but not healthy', output)
      throw new TelecError('halted', 'the service is up, but its health check cannot run', {
        because: `${output.trim()}\n${missing.searched}`,
        hint: `${missing.hint}; then: telec-update --retry`,
      })
    }
    await world.sleep(HEALTH_EVERY_MS)
  }
}
