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
  /** When telec-watch first saw the target. */
  detected_at: TimeSchema,
  /** The program that wrote it. */
  source: v.string(),
})

/** The file by which telec-watch asks telec-update for an update. */
export type Signal = v.InferOutput<typeof SignalSchema>

const { read, write } = stateFile('signal', SignalSchema)

export const readSignal = read

/** Asks for an update to `target` on a computer that runs the first target. */
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

/** Makes the service manager start telec-update again: after a power cut, a missed change, or a wait that is over. */
export async function wakeUpdater({ world, paths }: Pick<Service, 'world' | 'paths'>): Promise<void> {
  await touch(paths.signal, world.now())
  if (world.platform === 'darwin') touchOrCreate(paths.wake, world.now())
}

/** Whether that has no effect: launchd may not notice a new file. */
export function isUnwatchable({ world, paths }: Service): boolean {
  return world.platform === 'darwin' && modifiedAt(paths.wake) === null
}

/** Removes the signal for `commit`, and keeps a newer one. */
export async function removeSignal(paths: Paths, commit: string): Promise<void> {
  // If telec-watch writes a signal in between, it is lost, and the next poll writes it again.
  if (readSignal(paths)?.target.commit === commit) await remove(paths.signal)
}
