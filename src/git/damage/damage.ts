import type { Config } from '../../config/schema.ts'
import { lastCheckout, type UpdateState } from '../../state/update-state.ts'
import { moveAside, replaceFile } from '../leftovers.ts'
import type { Repository } from '../repository.ts'

/** What is looked at, and what telec knows of it. */
export interface Patient {
  readonly repository: Repository
  readonly deployment: Config['deployment']
  /** Where HEAD is to be, by telec's own record; null where there is none. */
  readonly known: { readonly commit: string; readonly branch: string | null } | null
  /** Each object is looked at: minutes, in a large repository. */
  readonly isThorough: boolean
  /** Where what a repair replaces is kept. */
  readonly aside: string
}

/** Something that is wrong in the repository of a checkout. */
export interface Damage {
  readonly what: string
  readonly because?: string
  /** What telec repair does about it, if it can do something. */
  readonly repair?: {
    /** A phrase that goes on from "telec repair". */
    readonly plan: string
    /** Done again after a kill at any point, it ends in the same state. */
    run(): Promise<unknown>
  }
  /** What a person does, where telec cannot. */
  readonly hint?: string
}

/** Where nothing that telec knows helps. */
export const CLONE_HINT = 'clone it anew beside it, and move what git does not track over'

/** Where the record says that the checkout is: at the target of an update that moved it, else at what is deployed. */
export function knownHead(state: UpdateState | null): Patient['known'] {
  if (state === null) return null
  const { deployed, update } = state
  const commit = lastCheckout(update) ?? deployed.commit
  const ref = update?.target.commit === commit ? update.target.ref : deployed.ref
  return { commit, branch: ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : null }
}

/** A repair that puts files aside. */
export function movesAway({ repository, aside }: Patient, plan: string, paths: readonly string[]) {
  return { plan, run: async () => moveAside(repository, paths, aside) }
}

/** A repair that replaces a file. */
export function replaces({ repository, aside }: Patient, plan: string, path: string, text: string) {
  return { plan, run: () => replaceFile(repository, path, text, aside) }
}
