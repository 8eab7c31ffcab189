import { join } from 'node:path'
import * as v from 'valibot'
import { orNull, systemErrorCode, TelecError } from '../system/errors.ts'
import { readPlainText, remove, writeJson } from '../system/files.ts'
import { fromJson } from '../system/schemas.ts'
import { VERSION } from '../system/version.ts'
import type { World } from '../system/world.ts'

const NewerSchema = v.object({
  /** The program that asked, and its version; to another one the answer means nothing. */
  asked_by: v.string(),
  version: v.string(),
  /** What upgrades it. */
  command: v.string(),
})
export type Newer = Pick<v.InferOutput<typeof NewerSchema>, 'version' | 'command'>

/** Of the user who asks, and not of a service: telec's home may be another user's. */
function fileOf({ home }: World): string {
  return join(home, '.cache/telec/newer.json')
}

function asker({ program }: World): string {
  return `${program.path} ${VERSION}`
}

/** The newer telec that the last `telec doctor` of this user found. A cache: a file that is invalid counts as none. */
export async function readNewer(world: World): Promise<Newer | null> {
  const text = await orNull(() => readPlainText(fileOf(world))) // HOME may be another user's
  const newer = fromJson(NewerSchema, text)
  return newer?.asked_by === asker(world) ? { version: newer.version, command: newer.command } : null
}

/** Without a writable home folder nothing is recorded. */
export async function recordNewer(world: World, newer: Newer | null): Promise<void> {
  try {
    if (newer) await writeJson(fileOf(world), { asked_by: asker(world), ...newer })
    else await remove(fileOf(world))
  } catch (error) {
    if (!systemErrorCode(error) && !(error instanceof TelecError)) throw error
  }
}

export function describeNewer({ version, command }: Newer): string {
  return `${version} is available: ${command}`
}
