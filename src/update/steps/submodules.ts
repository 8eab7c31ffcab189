import { headCommit } from '../../git/checkout.ts'
import { clearWay } from '../../git/submodules/clear.ts'
import { followSubmodules, putAsideNote } from '../../git/submodules/follow.ts'
import type { Following } from '../../git/submodules/following.ts'
import { hasSubmodules, submodulesOf } from '../../git/submodules/named.ts'
import type { Update } from '../../state/update-state.ts'
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
  { from, target, permits }: Update,
  interrupted: boolean,
  reach: 'remote' | 'local',
): Submodules {
  const { submodules: areFollowed, remote } = config.deployment
  const following: Following = {
    checkout: repository,
    target: target.commit,
    remote: reach === 'remote' ? remote : null,
    mayStash: interrupted || permits.includes('stash'), // what is half-way is not halted at
    kept: [],
  }
  return {
    async clearWay() {
      if (!areFollowed) return
      const head = await headCommit(repository)
      if (head !== target.commit) await clearWay(following, repository, head, target.commit)
    },
    async follow() {
      const areNamed = hasSubmodules(repository)
      if (!areFollowed) return areNamed ? '; its submodules are not followed (deployment.submodules)' : ''
      const before = interrupted ? await submodulesOf(repository, from.commit) : null
      if (areNamed) await followSubmodules(following, repository, target.commit, before)
      return `${areNamed ? ', with its submodules' : ''}${putAsideNote(following)}`
    },
  }
}
