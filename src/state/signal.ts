import * as v from 'valibot'
import { CommitSchema, type Target, TargetSchema, VersionSchema } from '../channel/target.ts'
import type { Paths } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { modifiedAt, remove, touch, touchOrCreate } from '../system/files.ts'
import { TimeSchema } from '../system/schemas.ts'
import { isoTime } from '../system/world.ts'
import { stateFile } from './file.ts'

const SignalSchema = v.object({
  channel: v.picklist(['alpha', 'beta', 'stable']),
  from: v.object({ version: v.nullable(VersionSchema), commit: CommitSchema }),
  target: TargetSchema,
  /** When telec-watch first saw the target, ISO 8601. */
  detected_at: TimeSchema,
  /** Which program asks. */
  source: v.string(),
})

/** The file by which telec-watch asks telec-update for an update. */
export type Signal = v.InferOutput<typeof SignalSchema>

const { read, write } = stateFile('signal', SignalSchema)

/** The signal; null when nothing is asked for. */
export const readSignal = read

/** Asks for the update of a computer that runs `from`; `source` says which program asks. */
export async function writeSignal(
  { world, config, paths }: Service,
  { version, commit }: Target,
  target: Target,
  source: string,
): Promise<void> {
  const { channel } = config.deployment
  await write(paths, { channel, from: { version, commit }, target, detected_at: isoTime(world), source })
  if (world.platform === 'darwin') touchOrCreate(paths.wake, world.now())
}

/** Has whoever watches for signals look again: after a power cut, a change that was missed, a wait that is over. */
export async function wakeUpdater({ world, paths }: Pick<Service, 'world' | 'paths'>): Promise<void> {
  await touch(paths.signal, world.now())
  if (world.platform === 'darwin') touchOrCreate(paths.wake, world.now())
}

/** Whether that would be in vain, as launchd need not see a file come. */
export function isUnwatchable({ world, paths }: Service): boolean {
  return world.platform === 'darwin' && modifiedAt(paths.wake) === null
}

/** Removes the signal that asked for `commit`; a newer one that came meanwhile stays. */
export async function removeSignal(paths: Paths, commit: string): Promise<void> {
  // A signal written between the look and the removal is lost, and written again by the next poll.
  if (readSignal(paths)?.target.commit === commit) await remove(paths.signal)
}
