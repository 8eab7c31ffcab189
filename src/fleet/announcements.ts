import * as v from 'valibot'

/** An entry of a stream, as XREAD and XRANGE give it. */
export interface Entry {
  readonly id: string
  readonly fields: Readonly<Record<string, string>>
}

const RepliesSchema = v.array(v.tuple([v.string(), v.array(v.tuple([v.string(), v.array(v.string())]))]))

/** The entries of XREAD's reply, of all its streams; none for a reply of nothing, or of another shape. */
export function parseEntries(reply: unknown): Entry[] {
  const result = v.safeParse(RepliesSchema, reply)
  if (!result.success) return []
  return result.output.flatMap(([, entries]) => entries.map(([id, list]) => ({ id, fields: pairs(list) })))
}

function pairs(list: readonly string[]): Record<string, string> {
  const names = list.filter((_, index) => index % 2 === 0)
  return Object.fromEntries(names.map((name, index) => [name, list[2 * index + 1] ?? '']))
}

/** Whether a stream gave out `id` after `other`: `MILLISECONDS-NUMBER`, each as a number. */
export function isLaterId(id: string, other: string): boolean {
  const [ms = 0n, number = 0n] = id.split('-').map(BigInt)
  const [otherMs = 0n, otherNumber = 0n] = other.split('-').map(BigInt)
  return ms > otherMs || (ms === otherMs && number > otherNumber)
}

const EventSchema = v.object({
  type: v.literal('version_available'),
  properties: v.optional(
    v.object({ channel: v.optional(v.string()), daemon_id: v.optional(v.nullable(v.string())) }),
    {},
  ),
})

/** What an entry announces, of which nothing is believed; null where it is no announcement. */
export function parseAnnouncement({ fields }: Entry): v.InferOutput<typeof EventSchema>['properties'] | null {
  try {
    const result = v.safeParse(EventSchema, JSON.parse(fields.event ?? ''))
    return result.success ? result.output.properties : null
  } catch {
    return null
  }
}
