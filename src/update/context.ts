import type { Service } from '../config/service.ts'
import { redisSink } from '../fleet/status-sink.ts'
import type { Repository } from '../git/repository.ts'
import type { StatusSink } from '../state/status.ts'
import { orWarn } from '../system/limit.ts'
import type { World } from '../system/world.ts'
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
  for (const sink of sinks) await orWarn(world, 'the status was not passed on', () => sink.close())
}
