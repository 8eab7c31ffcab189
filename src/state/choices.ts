import * as v from 'valibot'
import { type Target, TargetSchema } from '../channel/target.ts'
import type { Paths } from '../config/paths.ts'
import { TimeSchema } from '../system/schemas.ts'
import { stateFile } from './file.ts'

const ChoiceSchema = v.object({ ...TargetSchema.entries, since: TimeSchema })

const ChoicesSchema = v.object({
  /** The only target that is taken; null: whatever the channel offers is. */
  pin: v.nullable(ChoiceSchema),
  /** None of these is taken. */
  held: v.array(ChoiceSchema),
})

/** What a person said of versions, and when; see channel/choices.ts. */
export type RecordedChoices = v.InferOutput<typeof ChoicesSchema>
export type Choice = RecordedChoices['held'][number]

const { read, write } = stateFile(
  'choices',
  ChoicesSchema,
  'remove it, which ends what was pinned and held (rm FILE), and say it anew: telec pin, telec hold',
)

export function readChoices(paths: Paths): RecordedChoices {
  return read(paths) ?? { pin: null, held: [] }
}

export const writeChoices = write

/** A pinned computer that a person took back stays pinned, to what it went back to. */
export async function movePin(paths: Paths, target: Target, at: string): Promise<void> {
  const choices = readChoices(paths)
  if (choices.pin === null || choices.pin.commit === target.commit) return
  await writeChoices(paths, { ...choices, pin: { ...target, since: at } })
}
