import * as v from 'valibot'
import { type Target, TargetSchema } from '../channel/target.ts'
import type { Paths } from '../config/paths.ts'
import { TimeSchema } from '../system/schemas.ts'
import { stateFile } from './file.ts'

const ChoiceSchema = v.object({ ...TargetSchema.entries, since: TimeSchema })

const ChoicesSchema = v.object({
  /** The only target that this computer takes; null: any that its channel accepts. */
  pin: v.nullable(ChoiceSchema),
  /** It takes none of these. */
  held: v.array(ChoiceSchema),
})

/** The versions that the user pinned or held, and when; see channel/choices.ts. */
export type RecordedChoices = v.InferOutput<typeof ChoicesSchema>
export type Choice = RecordedChoices['held'][number]

const { read, write } = stateFile(
  'choices',
  ChoicesSchema,
  'remove it, which ends every pin and hold: rm FILE; then set them again: telec pin, telec hold',
)

export function readChoices(paths: Paths): RecordedChoices {
  return read(paths) ?? { pin: null, held: [] }
}

export const writeChoices = write

/** A pinned computer that is rolled back stays pinned, to the older target. */
export async function movePin(paths: Paths, target: Target, at: string): Promise<void> {
  const choices = readChoices(paths)
  if (choices.pin === null || choices.pin.commit === target.commit) return
  await writeChoices(paths, { ...choices, pin: { ...target, since: at } })
}
