import { clearWay } from '../../git/submodules/clear.ts'
import { hasSubmodules, type SubmoduleUpdate, submodulesOf } from '../../git/submodules/submodule.ts'
import { updateSubmodules } from '../../git/submodules/update.ts'
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
  how: Pick<SubmoduleUpdate, 'interrupted' | 'mayStash'>,
  reach: 'remote' | 'local',
  putAside: (what: string) => Promise<void>,
): Submodules {
  const { submodules: areFollowed, remote } = config.deployment
  const update: SubmoduleUpdate = {
    checkout: repository,
    target: to,
    remote: reach === 'remote' ? remote : null,
    ...how,
    report: putAside,
  }
  return {
    async clearWay() {
      if (areFollowed) await clearWay(update, repository, from, to)
    },
    async follow() {
      const areNamed = hasSubmodules(repository)
      if (!areFollowed) return areNamed ? '; its submodules are not followed (deployment.submodules)' : ''
      const before = how.interrupted ? await submodulesOf(repository, from) : null
      if (areNamed) await updateSubmodules(update, repository, to, before)
      return areNamed ? ', with its submodules' : ''
    },
  }
}
