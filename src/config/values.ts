import * as v from 'valibot'

// The types of values. A schema's message completes the sentence `KEY: got VALUE; takes …`.

const DURATION = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*$/
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds of a text such as `90s`, `5m` or `2h`; null: it is no duration. */
export function parseDuration(text: string): number | null {
  const [, amount, unit] = DURATION.exec(text) ?? []
  return amount && unit ? Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS] : null
}

/** Timers count milliseconds in 31 bits: a longer one fires at once. */
const LONGEST_TIMER = '24d'

/** A duration such as `90s`, `5m` or `2h`, in milliseconds. */
export function duration(least: string, most = LONGEST_TIMER) {
  const takes = `a time of at least ${least} and at most ${most}, such as 90s, 5m or 2h`
  return v.pipe(
    v.string(takes),
    v.regex(DURATION, takes),
    v.transform((text) => parseDuration(text) ?? 0),
    v.minValue(parseDuration(least) ?? 0, takes),
    v.maxValue(parseDuration(most) ?? 0, takes),
  )
}

/** Describes a key, for the reference in docs/ and the JSON Schema. */
export function about<const S extends v.GenericSchema>(text: string, schema: S) {
  return v.pipe(schema, v.description<v.InferOutput<S>, string>(text))
}

export function optional<const S extends v.GenericSchema, D extends v.InferInput<S> | undefined = undefined>(
  text: string,
  schema: S,
  fallback?: D,
) {
  return v.optional(about(text, schema), fallback as D)
}

export function choice<const Words extends readonly string[]>(...words: Words) {
  return v.picklist(words, words.join(', ').replace(/, ([^,]*)$/, ' or $1'))
}

export const flag = v.boolean('true or false')

/** An argument for git or the service manager: not empty, and no option. */
export function argument(takes: string) {
  return v.pipe(
    v.string(takes),
    v.check((text) => text.trim() !== '' && !/^-|\p{Cc}/u.test(text), takes),
  )
}

export function path(what: string) {
  const takes = `the absolute path of ${what}`
  return v.pipe(v.string(takes), v.regex(/^(~\/|\/)./s, takes))
}

export const commandLine = v.pipe(v.string('a command line'), v.nonEmpty('a command line'))
