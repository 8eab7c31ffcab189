import type { Paths } from '../config/paths.ts'
import type { Config } from '../config/schema.ts'
import type { Repository } from '../git/repository.ts'
import type { Supervised } from '../service/find.ts'
import type { Status } from '../state/status.ts'
import type { Update } from '../state/update-state.ts'
import type { World } from '../system/world.ts'

export interface Programs {
  readonly own: string | null
  readonly frontDoor: string | null
}

/** What a step has to work with. */
export interface StepContext {
  readonly world: World
  readonly config: Config
  readonly paths: Paths
  readonly repository: Repository
  readonly service: Supervised | null
  /** telec's own code, as it was when this program began; see `programText`. */
  readonly programsAtStart: Programs
  /** The journal as it stands. */
  readonly update: Update
  /** This step was begun before and did not end: it was killed, or it failed. */
  readonly interrupted: boolean
  /** Writes more into the journal, durably. */
  remember(change: Partial<Pick<Update, 'target' | 'service'>>): Promise<void>
}

/** One step of the update. It is idempotent: begun again after a kill at any point, it ends in the same state. */
export interface Step {
  readonly name: string
  /** The same for people, while it runs. */
  readonly doing: string
  /** What other tools are told while it runs. */
  readonly status: Status
  /** Done again when an interrupted update goes on, although it ended before: the world may have changed since. */
  readonly again: boolean
  /** @returns what came of it, for people. Throws a TelecError to halt. */
  run(context: StepContext): Promise<string>
}
