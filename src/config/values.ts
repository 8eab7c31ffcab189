import * as v from 'valibot'

// What a key's value can be; the message of an error is the sentence that says what the key takes.

const DURATION = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*$/
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds of a text such as `90s`, `5m` or `2h`; null when it is none. */
export function parseDuration(text: string): number | null {
  const [, amount, unit] = DURATION.exec(text) ?? []
  return amount && unit ? Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS] : null
}

/** Timers count milliseconds in 31 bits, and fire at once after more. */
const LONGEST_TIMER = '24d'

/**
 * A duration such as `90s`, `5m` or `2h`, within these bounds; milliseconds come out.
 */
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

/** What a key is for: the text of the reference in docs/ and of the JSON Schema, which are made from here. */
export function about<const S extends v.GenericSchema>(text: string, schema: S) {
  return v.pipe(schema, v.description<v.InferOutput<S>, string>(text))
}

/** A key that may be left out; by default its value is `fallback`. */
export function optional<const S extends v.GenericSchema, D extends v.InferInput<S> | undefined = undefined>(
  text: string,
  schema: S,
  fallback?: D,
) {
  return v.optional(about(text, schema), fallback as D)
}

/** One of these words. */
export function choice<const Words extends readonly string[]>(...words: Words) {
  return v.picklist(words, words.join(', ').replace(/, ([^,]*)$/, ' or $1'))
}

export const flag = v.boolean('true or false')

/** A text that git or the service manager gets as an argument: empty ones and options are refused. */
export function argument(takes: string) {
  return v.pipe(
    v.string(takes),
    v.check((text) => text.trim() !== '' && !/^-|\p{Cc}/u.test(text), takes),
  )
}

/** A path that is absolute, or below the home folder. */
export function path(what: string) {
  const takes = `the absolute path of ${what}`
  return v.pipe(v.string(takes), v.regex(/^(~\/|\/)./s, takes))
}

/** A text for a shell. */
export const commandLine = v.pipe(v.string('a command line'), v.nonEmpty('a command line'))
