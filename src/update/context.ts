import type { Service } from '../config/service.ts'
import { redisSink } from '../fleet/heartbeat.ts'
import type { Repository } from '../git/repository.ts'
import type { StatusSink } from '../state/status.ts'
import { metricsSink } from '../view/metrics.ts'
import { hookSink } from './on-status.ts'

/** What an update works on; made once per run. */
export interface UpdateContext extends Service {
  readonly repository: Repository
  /** telec's own code, as it was when this program began; see `programText`. */
  readonly programsAtStart: { readonly own: string | null; readonly frontDoor: string | null }
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
