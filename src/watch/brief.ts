import * as v from 'valibot'
import { LOOKOUT } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { accessTo } from '../fleet/client.ts'
import { hasLogin, remoteUrl } from '../git/git.ts'
import type { Repository } from '../git/repository.ts'
import { modifiedAt, readText, writeDurably } from '../system/files.ts'
import { digest } from '../system/hash.ts'
import { orWarn } from '../system/limit.ts'
import { NumberSchema, TimeSchema } from '../system/schemas.ts'
import { isoTime, type World } from '../system/world.ts'

/** For its own user, who shares the group of those who write it. */
const MODE = 0o640
/** A lookout that cannot ask the remote by itself tries it again after that; a server may not like to be asked in vain. */
const BLIND_MS = 60 * 60_000

const BriefSchema = v.object({
  /** When it was written, ISO 8601. */
  at: TimeSchema,
  /** What to ask the remote, and how long that may take in milliseconds; null: nothing. */
  ask: v.nullable(
    v.object({
      url: v.string(),
      channel: v.picklist(['alpha', 'beta', 'stable']),
      branch: v.string(),
      poll_timeout: NumberSchema,
    }),
  ),
  /** What it said when it was polled; see `digest`. */
  list: v.nullable(v.string()),
  /** From then on somebody polls in any case, ISO 8601. */
  until: TimeSchema,
  /** Until then it is not asked to ask, since it could not, ISO 8601. */
  blind_until: v.nullable(TimeSchema),
  /** What its listener needs. */
  listen: v.object({
    computer: v.string(),
    channel: v.string(),
    redis: v.nullable(
      v.object({ url: v.string(), password: v.nullable(v.string()), ca: v.nullable(v.string()) }),
    ),
  }),
})

/** What root tells the lookout, which has no rights: in memory, for it alone, without logins but the password of Redis. */
export type Brief = v.InferOutput<typeof BriefSchema>

/** It is no state: one that cannot be understood is as good as none, and replaced by the next poll. */
export function readBrief(): Brief | null {
  return parseBrief(readText(LOOKOUT.brief) ?? '')
}

/** Null: it is no brief. */
export function parseBrief(text: string): Brief | null {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), BriefSchema), text)
  return parsed.success ? parsed.output : null
}

/**
 * Writes what the lookout is to know after a poll: what the remote said, where nothing else had a say, and when somebody
 * has to poll in any case (milliseconds since 1970).
 */
export function writeBrief(
  service: Service,
  repository: Repository,
  list: string | null,
  nextMs: () => number,
): Promise<void> {
  return orWarn(service.world, `${LOOKOUT.user} was not told`, async () => {
    const brief = await briefOf(service, repository, list, nextMs)
    await writeDurably(LOOKOUT.brief, `${JSON.stringify(brief)}\n`, { mode: MODE })
  })
}

async function briefOf(
  { world, config }: Service,
  repository: Repository,
  list: string | null,
  nextMs: () => number,
): Promise<Brief> {
  const blindUntilMs = blindUntil(world, list !== null)
  const { remote, channel, branch, poll_timeout } = config.deployment
  // A login is not handed on; where it takes one, root polls.
  const known = list !== null && blindUntilMs === null ? await remoteUrl(repository, remote) : null
  const url = known !== null && !hasLogin(known) ? known : null
  return {
    at: isoTime(world),
    ask: url === null ? null : { url, channel, branch, poll_timeout },
    list: list === null ? null : digest(list),
    until: new Date(list !== null && url === null ? world.now() : nextMs()).toISOString(),
    blind_until: blindUntilMs === null ? null : new Date(blindUntilMs).toISOString(),
    listen: { computer: config.computer, channel, redis: config.redis ? accessTo(config.redis) : null },
  }
}

/** Until when it is not to ask. @param isReached whether the remote could be asked by root, who came after it. */
function blindUntil(world: World, isReached: boolean): number | null {
  const before = readBrief()
  if (before === null) return null
  const blindAtMs = modifiedAt(LOOKOUT.blind)?.getTime() ?? 0
  if (isReached && before.ask !== null && blindAtMs >= Date.parse(before.at)) return world.now() + BLIND_MS
  const untilMs = Date.parse(before.blind_until ?? '')
  return untilMs > world.now() && untilMs <= world.now() + BLIND_MS ? untilMs : null
}
