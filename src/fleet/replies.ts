import * as v from 'valibot'
import { CountSchema } from '../system/schemas.ts'

// What Redis may answer: of any other shape it is no answer, as if Redis were away.

export const Ok = v.literal('OK')
export const Pong = v.literal('PONG')
export const Count = CountSchema
export const Text = v.string()
export const Texts = v.array(Text)
export const MaybeText = v.nullable(Text)

/** A flat list, as of ZRANGE WITHSCORES, in pairs. */
export const Pairs = v.pipe(
  Texts,
  v.check((list) => list.length % 2 === 0),
  v.transform((list) =>
    list.flatMap((name, at): [string, string][] => (at % 2 === 0 ? [[name, list[at + 1] ?? '']] : [])),
  ),
)

/** Of an entry of a stream: `MILLISECONDS-NUMBER`, of 64 bits each. */
export const Id = v.pipe(v.string(), v.regex(/^\d{1,20}-\d{1,20}$/))

/** Entries of a stream, as XRANGE gives them. */
export const Entries = v.array(
  v.pipe(
    v.strictTuple([Id, Pairs]),
    v.transform(([id, pairs]) => ({ id, fields: new Map(pairs) })),
  ),
)

/** Those of all streams of XREAD, in one list; null: none came in time. */
export const Streams = v.pipe(
  v.nullable(v.array(v.strictTuple([Text, Entries])), []),
  v.transform((streams) => streams.flatMap(([, entries]) => entries)),
)

/** Of SCAN: where to go on, and names of keys. */
export const Scan = v.strictTuple([Text, Texts])
