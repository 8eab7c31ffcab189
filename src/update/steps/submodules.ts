import { clearWay } from '../../git/submodules/clear.ts'
import { followSubmodules } from '../../git/submodules/follow.ts'
import type { Following } from '../../git/submodules/following.ts'
import { hasSubmodules, submodulesOf } from '../../git/submodules/named.ts'
import type { UpdateContext } from '../context.ts'

/** What the checkout step does about submodules. */
export interface Submodules {
  /** Before the checkout moves. */
  clearWay(): Promise<void>
  /** After it has moved. @returns what came of it, for the step's note */
  follow(): Promise<string>
}

/** `local`: no remote is asked, since there is another target by now. */
export function submodulesFor(
  { config, repository }: UpdateContext,
  { from, to }: { readonly from: string; readonly to: string },
  how: Pick<Following, 'interrupted' | 'mayStash'>,
  reach: 'remote' | 'local',
  putAside: (what: string) => Promise<void>,
): Submodules {
  const { submodules: areFollowed, remote } = config.deployment
  const following: Following = {
    checkout: repository,
    target: to,
    remote: reach === 'remote' ? remote : null,
    ...how,
    putAside,
  }
  return {
    async clearWay() {
      if (areFollowed) await clearWay(following, repository, from, to)
    },
    async follow() {
      const areNamed = hasSubmodules(repository)
      if (!areFollowed) return areNamed ? '; its submodules are not followed (deployment.submodules)' : ''
      const before = how.interrupted ? await submodulesOf(repository, from) : null
      if (areNamed) await followSubmodules(following, repository, to, before)
      return areNamed ? ', with its submodules' : ''
    },
  }
}
