import { collectGarbage, hasGarbage } from '../git/garbage.ts'
import { shouldTrim, trimRefs } from '../git/refs.ts'
import { readChoices } from '../state/choices.ts'
import { readSignal } from '../state/signal.ts'
import { readUpdateState } from '../state/update-state.ts'
import { orWarn } from '../system/limit.ts'
import type { UpdateContext } from './context.ts'

/** Trims telec's refs and collects git's garbage, where many updates left enough of either. */
export async function tidy({ world, paths, repository }: UpdateContext): Promise<void> {
  const state = readUpdateState(paths)
  if (!state || !(hasGarbage(repository) || shouldTrim(repository))) return
  const startedMs = world.monotonic()
  world.log.progress('collecting garbage')
  const { deployed, previous, rolled_back, update, last } = state
  const ofUpdates = [update, last].flatMap((one) => (one ? [one.from, one.target] : []))
  const known = [deployed, ...previous, ...(rolled_back?.targets ?? []), ...ofUpdates]
  const inUse = [...known, readSignal(paths)?.target ?? [], readChoices(paths).pin ?? []].flat()
  await orWarn(world, "cannot trim telec's refs", () => trimRefs(repository, inUse))
  await orWarn(world, "cannot collect git's garbage", async () => {
    if (!(await collectGarbage(repository))) return
    const seconds = ((world.monotonic() - startedMs) / 1000).toFixed(2)
    world.log.info(`garbage: collected (${seconds} s)`)
  })
  world.log.progress(null)
}
