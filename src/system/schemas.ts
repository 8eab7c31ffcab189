import * as v from 'valibot'

/** A time as state files have it, ISO 8601; what is no time would wait for ever, or never. */
export const TimeSchema = v.pipe(
  v.string(),
  v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/, 'a time is ISO 8601'),
  v.check((text) => !Number.isNaN(Date.parse(text)), 'there is no such time'),
)

/** How many of something. */
export const CountSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

/** JSON has numbers that are none for JavaScript (1e999). */
export const NumberSchema = v.pipe(v.number(), v.finite())

/** Of one process: 0 and less would be whole groups of them (kill(2)). */
export const PidSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(1))
