import type { Target } from '../channel/target.ts'
import { collectGarbage, hasGarbage } from '../git/garbage.ts'
import { shouldTrim, trimRefs } from '../git/refs.ts'
import { readChoices } from '../state/choices.ts'
import { readSignal } from '../state/signal.ts'
import { readUpdateState, type UpdateState } from '../state/update-state.ts'
import { orWarn } from '../system/limit.ts'
import type { UpdateContext } from './context.ts'

/** What many updates leave in the repository is cleared away, once in a while and never at the expense of one. */
export async function tidy({ world, paths, repository }: UpdateContext): Promise<void> {
  const state = readUpdateState(paths)
  if (!state || !(hasGarbage(repository) || shouldTrim(repository))) return
  const startedMs = world.monotonic()
  world.log.progress('collecting garbage')
  const { pin } = readChoices(paths)
  const inUse = [...targetsOf(state), readSignal(paths)?.target ?? [], pin ?? []].flat()
  await orWarn(world, 'the refs of telec were not trimmed', () => trimRefs(repository, inUse))
  await orWarn(world, 'the garbage of git was not collected', async () => {
    if (!(await collectGarbage(repository))) return
    const seconds = ((world.monotonic() - startedMs) / 1000).toFixed(2)
    world.log.info(`garbage: collected (${seconds} s)`)
  })
  world.log.progress(null)
}

/** What this computer runs, did run and may go back to. */
function targetsOf({ deployed, previous, rolled_back, update, last }: UpdateState): Target[] {
  const ofUpdates = [update, last].flatMap((one) => (one ? [one.from, one.target] : []))
  return [deployed, ...previous, ...(rolled_back?.targets ?? []), ...ofUpdates]
}
