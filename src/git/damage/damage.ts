import type { Deployment } from '../../config/deployment.ts'
import { lastHead, type UpdateState } from '../../state/update-state.ts'
import { moveToBackup, replaceFile } from '../checkout-files.ts'
import type { Repository } from '../repository.ts'

/** The input of each check. */
export interface CheckContext {
  readonly repository: Repository
  readonly deployment: Deployment
  /** The commit and branch of HEAD by telec's record; null where there is none. */
  readonly recorded: { readonly commit: string; readonly branch: string | null } | null
  /** Reads each object: minutes in a large repository. */
  readonly isThorough: boolean
  /** Repairs keep replaced files in this folder. */
  readonly backup: string
}

/** A fault in the repository of a checkout. */
export interface Damage {
  readonly what: string
  readonly because?: string
  /** What telec repair can do about it. */
  readonly repair?: {
    /** A phrase that continues "telec repair". */
    readonly plan: string
    /** Repeated after a kill at any point, it ends in the same state. */
    run(): Promise<unknown>
  }
  /** For a user, where telec cannot repair it. */
  readonly hint?: string
}

/** The last resort. */
export const CLONE_HINT = 'clone it again beside it, and move untracked files over'

/** The recorded HEAD: the target of an update that moved the checkout, else the deployed commit. */
export function recordedHead(state: UpdateState | null): CheckContext['recorded'] {
  if (state === null) return null
  const { deployed, update } = state
  const commit = lastHead(update) ?? deployed.commit
  const ref = update?.target.commit === commit ? update.target.ref : deployed.ref
  return { commit, branch: ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : null }
}

/** A repair that moves files to the backup folder. */
export function movesAway({ repository, backup }: CheckContext, plan: string, paths: readonly string[]) {
  return { plan, run: async () => moveToBackup(repository, paths, backup) }
}

/** A repair that replaces a file. */
export function replaces({ repository, backup }: CheckContext, plan: string, path: string, text: string) {
  return { plan, run: () => replaceFile(repository, path, text, backup) }
}
