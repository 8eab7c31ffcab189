import { LOOKOUT } from '../config/paths.ts'
import { listUrl } from '../git/remote-refs.ts'
import { mark, readText } from '../system/files.ts'
import { digest } from '../system/hash.ts'
import type { World } from '../system/world.ts'
import type { Brief } from './brief.ts'

/**
 * In system scope, every minute, without rights: does the remote still say what it said when root polled? Nothing that it
 * finds is believed: in doubt, root polls.
 */
export async function lookOut(world: World): Promise<void> {
  const brief = briefAsItIs()
  const now = world.now()
  // Also where the clock was turned back, and where a time is none.
  if (!(Date.parse(brief?.at ?? '') <= now && now < Date.parse(brief?.until ?? ''))) return nudge(world)
  if (!brief?.ask) return // not yet
  const list = await listUrl(world, brief.ask, brief.ask.url).catch((error) => {
    const { message, because = '' } = error as { message: string; because?: string }
    world.log.notice(`${LOOKOUT.user} cannot ask the remote, and has root do it: ${message}: ${because}`)
    mark(LOOKOUT.blind, now)
  })
  if (list === undefined || digest(list) !== brief.list) nudge(world)
  else mark(LOOKOUT.looked, world.now())
}

/** Has root poll, who decides. */
export function nudge(world: World): void {
  mark(LOOKOUT.nudge, world.now())
}

/** Not checked, which saves what checks it: whatever does not fit has root poll, who writes it anew. */
function briefAsItIs(): Partial<Brief> | null {
  try {
    return JSON.parse(readText(LOOKOUT.brief) ?? 'null') as Partial<Brief> | null
  } catch {
    return null
  }
}
