import type { Service } from '../config/service.ts'
import { redisSink } from '../fleet/heartbeat.ts'
import { completeMove, moveTo } from '../git/checkout.ts'
import type { Repository } from '../git/repository.ts'
import type { StatusSink } from '../state/status.ts'
import { ended, type UpdateState, wasInterrupted, writeUpdateState } from '../state/update-state.ts'
import { isoTime, type World } from '../system/world.ts'
import { metricsSink } from '../view/metrics.ts'
import { hookSink } from './on-status.ts'

/** telec's own code, as it was when this program began; see `programText`. */
interface Programs {
  readonly own: string | null
  readonly frontDoor: string | null
}

/** What an update works on; made once per run. */
export interface UpdateContext extends Service {
  readonly repository: Repository
  readonly programsAtStart: Programs
  readonly sinks: readonly StatusSink[]
}

export function openSinks(service: Service): StatusSink[] {
  const { config } = service
  return [
    ...(config.redis ? [redisSink(service, config.redis)] : []),
    ...(config.on_status ? [hookSink(service, config.on_status)] : []),
    ...(config.metrics ? [metricsSink(service)] : []),
  ]
}

export async function closeSinks(world: World, sinks: readonly StatusSink[]): Promise<void> {
  for (const sink of sinks)
    await sink.close().catch((error: unknown) => {
      world.log.warning(`the status was not passed on: ${error instanceof Error ? error.message : error}`)
    })
}

/**
 * A checkout that was killed on its way to another target is brought there first: half of it would look like
 * local changes to the new update.
 */
export async function settle(
  context: UpdateContext,
  state: UpdateState,
  commit: string,
): Promise<UpdateState> {
  const { world, config, paths, repository } = context
  const { update } = state
  if (!update || update.target.commit === commit || !wasInterrupted(update, 'checkout')) return state
  await completeMove(repository, update.target.commit)
  const branch = update.channel === 'alpha' ? config.deployment.branch : null
  const isAnywhere = update.permits.includes('rewrite') || update.rollback !== null
  await moveTo(repository, branch, update.target.commit, isAnywhere)
  const settled = {
    ...state,
    update: ended(update, 'checkout', isoTime(world), 'completed for another target'),
  }
  await writeUpdateState(paths, settled)
  return settled
}
