import type { Supervised } from '../../service/find.ts'
import { type Account, actAs } from '../../system/account.ts'
import { TelecError } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'
import type { StepContext } from '../step.ts'

const LOOK_EVERY_MS = 200
const HEALTH_EVERY_MS = 1_000
/** systemd gives a start 90 s by default; a unit may say otherwise, or infinity. */
const LONGEST_START_MS = 15 * 60_000
const DEFAULT_HEALTHY_AFTER_MS = 5_000

/** Sees the new main process stay up for `healthy_after`, and `health` pass. */
export async function confirm({
  world,
  config,
  repository,
  supervised,
  update,
  writeDown,
}: StepContext): Promise<string> {
  if (!supervised) return 'left to whoever restarts the service'
  if (!update.service?.asked) return 'there is no new process to wait for'
  await writeDown({ folder: 'synced later' }) // how the old process ended, which nobody can tell again
  const healthyAfterMs = config.service?.healthy_after ?? DEFAULT_HEALTHY_AFTER_MS
  const pid = await staysUp(world, supervised.manager, update.service.before, healthyAfterMs)
  const health = config.service?.health
  if (!health) return `pid ${pid} is up for ${healthyAfterMs / 1000} s`
  const { owner, workTree } = repository
  await isHealthy(world, owner, health, workTree, config.service?.health_timeout ?? 0)
  return `pid ${pid} is up for ${healthyAfterMs / 1000} s, and healthy`
}

async function staysUp(
  world: World,
  manager: Supervised['manager'],
  before: string | null,
  healthyAfterMs: number,
): Promise<number> {
  let first: string | null = null
  const deadline = world.monotonic() + healthyAfterMs
  for (;;) {
    const { main, activity, lastExit } = await manager.inspect()
    const isNew = main !== null && main.identity !== before
    first ??= isNew ? main.identity : null
    if (!isNew || main.identity !== first)
      throw new TelecError('halted', `${manager.service} did not stay up after the update`, {
        because: main
          ? `it was started again within ${healthyAfterMs / 1000} s`
          : `it is ${activity}${lastExit ? ` after ${lastExit}` : ''}`,
        hint: 'look at its log; the code on disk is the new one. After mending: telec-update --retry; to go back: telec-update rollback',
      })
    if (activity === 'running' && world.monotonic() >= deadline) return main.pid
    if (world.monotonic() >= deadline + LONGEST_START_MS)
      throw new TelecError('halted', `${manager.service} does not get ready`, {
        because: `pid ${main.pid} is up for ${Math.round(main.uptimeMs / 1000)} s, and ${manager.name} says: ${activity}`,
        hint: 'look at its log; the code on disk is the new one. After mending: telec-update --retry; to go back: telec-update rollback',
      })
    await world.sleep(LOOK_EVERY_MS)
  }
}

async function isHealthy(
  world: World,
  owner: Account | null,
  command: string,
  cwd: string,
  timeoutMs: number,
): Promise<void> {
  const deadline = world.monotonic() + timeoutMs
  for (;;) {
    const as = actAs(world, owner)
    const result = await as.run('/bin/sh', ['-c', command], {
      cwd,
      env: as.env,
      timeoutMs: Math.max(1_000, deadline - world.monotonic()),
      onLine: () => undefined, // of what it prints only the end is of interest, however much it is
    })
    if (result.code === 0) return
    if (world.monotonic() >= deadline)
      throw new TelecError('halted', 'the service is up, but not healthy', {
        because: [`${command}: ${result.signal ?? `exit code ${result.code}`}`, result.stdout].join('\n'),
        hint: 'look at its log; the code on disk is the new one. After mending: telec-update --retry; to go back: telec-update rollback',
      })
    await world.sleep(HEALTH_EVERY_MS)
  }
}
