import fc from 'fast-check'

/** What may stand in a JSON file in place of anything else. Numbers that JavaScript has not are written by their name. */
const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  '@1e999',
  '',
  'x',
  'null',
  '\u0000\u001b[2J\u202e\n',
  'é'.repeat(5_000),
  '../../etc/passwd',
  '/',
  '--upload-pack=touch x',
  'refs/heads/-x',
  'refs/../../x',
  '2026-13-45T99:99:99Z',
  '0000-00-00T00:00:00Z',
  '+275760-09-13T00:00:00.001Z',
  '9999-12-31T23:59:59.999Z',
  'yesterday',
  '1.2',
  'v1',
  '1.2.3-',
  '999999999999999999999.0.0',
  'f'.repeat(39),
  'F'.repeat(40),
  '0'.repeat(40),
  'constructor',
  '__proto__',
  [],
  {},
  [null],
  [[[[[[[[]]]]]]]],
  { constructor: 1, toString: 'x' },
]

type Place = readonly (string | number)[]

function placesIn(data: unknown, at: Place = []): Place[] {
  if (typeof data !== 'object' || data === null) return [at]
  return [at, ...Object.entries(data).flatMap(([key, value]) => placesIn(value, [...at, key]))]
}

/** A copy of `data` in which `change` replaced the value at a place; undefined: it was removed. */
function changed(data: unknown, [key, ...rest]: Place, change: (value: unknown) => unknown): unknown {
  if (key === undefined) return change(data)
  const copy: unknown = Array.isArray(data) ? [...data] : { ...(data as object) }
  const table = copy as Record<string, unknown>
  const value = changed(table[key], rest, change)
  if (value !== undefined) table[key] = value
  else if (Array.isArray(copy)) copy.splice(Number(key), 1)
  else delete table[key]
  return copy
}

function write(data: unknown): string {
  return (JSON.stringify(data, null, 2) ?? '').replaceAll('"@1e999"', '1e999')
}

/** The text with one value replaced, removed, wrapped, or with a neighbour that nobody knows. */
function ofData(text: string): fc.Arbitrary<string> {
  const data: unknown = JSON.parse(text)
  const places = placesIn(data)
  const change = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...VALUES).map((value) => () => value) },
    { weight: 1, arbitrary: fc.constant(() => undefined) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        (value: unknown) => [value],
        (value: unknown) => ({ value }),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(...VALUES).map((more) => (value: unknown) => {
        if (Array.isArray(value)) return [...value, more]
        return typeof value === 'object' && value !== null ? { ...value, unknown: more } : String(value)
      }),
    },
  )
  return fc
    .array(fc.tuple(fc.constantFrom(...places), change), { minLength: 1, maxLength: 2 })
    .map((changes) => {
      const [[place, first] = [[], () => data], second] = changes
      const once = changed(data, place, first)
      // The second one where it still fits.
      return write(
        second && placesIn(once).some((one) => `${one}` === `${second[0]}`) ? changed(once, ...second) : once,
      )
    })
}

/** The text cut, with bytes of another kind, doubled, or something else altogether. */
function ofText(text: string): fc.Arbitrary<string> {
  const at = fc.nat(Math.max(0, text.length - 1))
  const length = fc.integer({ min: 1, max: 40 })
  return fc.oneof(
    at.map((end) => text.slice(0, end)),
    fc.tuple(at, length).map(([begin, size]) => text.slice(0, begin) + text.slice(begin + size)),
    fc.tuple(at, length).map(([begin, size]) => text.slice(0, begin + size) + text.slice(begin)),
    fc
      .tuple(at, fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }))
      .map(([begin, more]) => text.slice(0, begin) + more + text.slice(begin + more.length)),
    fc.constantFrom('', ' \n', 'null', '[]', '{}', '"x"', '0', `\uFEFF${text}`, `${text}${text}`),
    fc.constantFrom(
      '\u0000'.repeat(text.length),
      '['.repeat(6_000),
      `{"a":`.repeat(5_000),
      `${'['.repeat(9_000)}${']'.repeat(9_000)}`,
    ),
  )
}

/** Texts that a file may hold which was, once, this JSON. */
export function mutationsOf(text: string): fc.Arbitrary<string> {
  return fc.oneof({ weight: 3, arbitrary: ofData(text) }, { weight: 1, arbitrary: ofText(text) })
}

/** The same of a text that is no JSON. */
export { ofText as mutationsOfText }
