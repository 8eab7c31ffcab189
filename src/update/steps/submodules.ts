import { headId } from '../../git/checkout.ts'
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
  { interrupted, mayStash }: { readonly interrupted: boolean; readonly mayStash: boolean },
  reach: 'remote' | 'local',
  putAside: (what: string) => Promise<void>,
): Submodules {
  const { submodules: areFollowed, remote } = config.deployment
  const following: Following = {
    checkout: repository,
    target: to,
    remote: reach === 'remote' ? remote : null,
    interrupted,
    mayStash: interrupted || mayStash, // what is half-way is not halted at
    putAside,
  }
  return {
    async clearWay() {
      if (!areFollowed) return
      if ((await headId(repository)) !== to || reach === 'local')
        await clearWay(following, repository, from, to)
    },
    async follow() {
      const areNamed = hasSubmodules(repository)
      if (!areFollowed) return areNamed ? '; its submodules are not followed (deployment.submodules)' : ''
      const before = interrupted ? await submodulesOf(repository, from) : null
      if (areNamed) await followSubmodules(following, repository, to, before)
      return areNamed ? ', with its submodules' : ''
    },
  }
}
