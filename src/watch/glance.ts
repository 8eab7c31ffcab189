import { existsSync, utimesSync } from 'node:fs'
import type { Target } from '../channel/target.ts'
import { parsedBefore } from '../config/parsed.ts'
import { locate } from '../config/paths.ts'
import { isHeartbeatDue } from '../fleet/heartbeat.ts'
import { listRemote } from '../git/remote-refs.ts'
import { locateRepository } from '../git/repository.ts'
import { verifySettings } from '../git/settings.ts'
import type { UpdateState } from '../state/update-state.ts'
import type { WatchState } from '../state/watch-state.ts'
import { readText } from '../system/files.ts'
import { sha256 } from '../system/hash.ts'
import type { World } from '../system/world.ts'

/** A longer list is told by its SHA-256. */
const LONGEST = 4_096

/**
 * A poll's cheapest answer: nothing here has changed since a poll that found nothing to do, and the remote says what it
 * said then, byte by byte. That is what a thousand polls a day find, and it takes none of what decides. Whenever in
 * doubt it is false, and a whole poll decides.
 */
export async function isQuiet(world: World): Promise<boolean> {
  try {
    const paths = locate(world)
    const config = parsedBefore(world, paths, readText(paths.config) ?? '')
    const watch = parsed<Partial<WatchState>>(paths.watchState)
    const update = parsed<Partial<UpdateState>>(paths.updateState)
    if (config?.metrics) return false // they say when the last poll was
    if (!config || !watch?.quiet || watch.outcome !== 'current' || watch.failures !== 0) return false
    if (Date.parse(watch.polled_at ?? '') > world.now()) return false // the clock was turned back
    if (!update?.deployed || update.update || update.halted || existsSync(paths.signal)) return false
    if (config.redis && isHeartbeatDue(parsed(paths.redis), parsed(paths.status), world.now())) return false
    const repository = locateRepository(world, config.deployment.checkout)
    await verifySettings(repository)
    const list = await listRemote(repository, config.deployment, config.deployment.remote)
    if (fingerprint(update.deployed, list) !== watch.quiet) return false
    utimesSync(paths.watchState, world.now() / 1000, world.now() / 1000)
    world.log.debug(`polled: current: ${watch.reason}`)
    return true
  } catch {
    return false // whatever it is, the whole poll says it
  }
}

/** Not checked: whatever does not fit makes the poll a whole one. */
function parsed<Shape>(path: string): Shape | null {
  return JSON.parse(readText(path) ?? 'null') as Shape | null
}

/** Of what is deployed and what a remote said, to compare it with. */
export function fingerprint({ version, ref, commit }: Target, list: string): string {
  return digest(`${version} ${ref} ${commit}\n${list}`)
}

/** Tells a text from every other one. */
export function digest(text: string): string {
  return text.length <= LONGEST ? text : sha256(text)
}
