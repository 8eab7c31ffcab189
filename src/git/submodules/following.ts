import type { Repository } from '../repository.ts'

/** The submodules of one checkout on their way to what one commit says of them. */
export interface Following {
  readonly checkout: Repository
  readonly target: string
  /** A remote whose transport alone may be used; null: what is not here is left for later. */
  readonly remote: string | null
  /** An earlier move to the target was stopped, and may be half-way. */
  readonly interrupted: boolean
  /** A person said that local changes are to be put aside. */
  readonly mayStash: boolean
  /** Says and records what was somebody's and in the way, and where it is now. */
  putAside(what: string): Promise<void>
}
