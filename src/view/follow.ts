import { watch } from 'node:fs'
import type { World } from '../system/world.ts'

/** The service's own state is in no file: it is asked for that often. */
const LOOK_EVERY_MS = 2_000
/** Times that pass are shown to a person. */
const TICK_MS = 1_000
/** An update writes several files at once. */
const SETTLE_MS = 50

/** Yields at once, then whenever a file of the folders changes, and every now and then. It never ends. */
export async function* changes(
  world: World,
  folders: readonly string[],
  isTerminal: boolean,
): AsyncGenerator<void> {
  let wake = () => undefined as unknown
  const watchers = folders.map((folder) => watch(folder, () => wake()))
  for (const watcher of watchers) watcher.on('error', () => undefined) // the folder is gone: what is asked for then says so
  try {
    for (;;) {
      yield
      const changed = new Promise<void>((resolve) => {
        wake = resolve
      })
      await Promise.race([changed, world.sleep(isTerminal ? TICK_MS : LOOK_EVERY_MS)])
      await world.sleep(SETTLE_MS)
    }
  } finally {
    for (const watcher of watchers) watcher.close()
  }
}
