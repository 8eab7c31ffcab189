import * as v from 'valibot'
import { CountSchema } from '../system/schemas.ts'

// What Redis may answer; any other shape counts as if Redis were out of reach.

export const Ok = v.literal('OK')
export const Pong = v.literal('PONG')
export const Count = CountSchema
export const Text = v.string()
export const Texts = v.array(Text)
export const MaybeText = v.nullable(Text)

/** A flat list such as that of ZRANGE WITHSCORES, in pairs. */
export const Pairs = v.pipe(
  Texts,
  v.check((list) => list.length % 2 === 0),
  v.transform((list) =>
    list.flatMap((name, at): [string, string][] => (at % 2 === 0 ? [[name, list[at + 1] ?? '']] : [])),
  ),
)

/** The id of an entry of a stream: `MILLISECONDS-NUMBER`, 64 bits each. */
export const Id = v.pipe(v.string(), v.regex(/^\d{1,20}-\d{1,20}$/))

export const Entries = v.array(
  v.pipe(
    v.strictTuple([Id, Pairs]),
    v.transform(([id, pairs]) => ({ id, fields: new Map(pairs) })),
  ),
)

/** The entries of all streams of XREAD; null: none came in time. */
export const Streams = v.pipe(
  v.nullable(v.array(v.strictTuple([Text, Entries])), []),
  v.transform((streams) => streams.flatMap(([, entries]) => entries)),
)

/** Of SCAN: the next cursor, and keys. */
export const Scan = v.strictTuple([Text, Texts])
