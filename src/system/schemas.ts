import * as v from 'valibot'

/** A time in a state file, ISO 8601; with an invalid one telec would wait for ever. */
export const TimeSchema = v.pipe(
  v.string(),
  v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/, 'a time is ISO 8601'),
  v.check((text) => !Number.isNaN(Date.parse(text)), 'there is no such time'),
)

export const CountSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

/** JSON has numbers that JavaScript reads as Infinity (1e999). */
export const NumberSchema = v.pipe(v.number(), v.finite())

/** One process: 0 and below mean whole groups (kill(2)). */
export const PidSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(1))

/** The data in a JSON text; null where it is no JSON, or has another shape. */
export function fromJson<Schema extends v.GenericSchema>(
  schema: Schema,
  text: unknown,
): v.InferOutput<Schema> | null {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text)
  return parsed.success ? parsed.output : null
}
