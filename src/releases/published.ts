import * as v from 'valibot'
import type { Service } from '../config/service.ts'
import type { Repository } from '../git/repository.ts'
import { type Page, type ReleasesCache, readReleases, writeReleases } from '../state/releases.ts'
import { TelecError } from '../system/errors.ts'
import { type HttpAnswer, httpGet } from '../system/http.ts'
import { localTime } from '../system/local-time.ts'
import type { World } from '../system/world.ts'
import { FORGES, type Forge } from './forges.ts'
import { locateOn } from './locate.ts'
import { findToken, type Token } from './token.ts'

/** A public release, by its tag. */
export type Published = Page['releases'][number]

/** Per page: a hundred releases with a hundred files each take 20 MB. */
const MOST_BYTES = 32 * 1024 * 1024
/** Per page, where telec asks for a hundred: parsed JSON may take a hundred times the memory of its text. */
const MOST_RELEASES = 1_000
/** Objects and lists per page: the page above has 20,000, and the notes of releases have brackets, too. */
const MOST_BRACKETS = 1_000_000
/** Newest first, a hundred per page: older releases no longer matter. */
const MOST_PAGES = 10
const MOST_REDIRECTS = 3
/** Limits end within an hour; a longer wait comes from a wrong clock. */
const LONGEST_WAIT_MS = 60 * 60_000
/** What GitHub asks for where an answer names no time. */
const USUAL_WAIT_MS = 60_000

/**
 * The public releases on a forge, without drafts. Known pages are asked for by their ETag: an unchanged page does not count
 * for the rate limit. Throws `later` where the forge gives no list.
 */
export async function publishedReleases(
  service: Service,
  repository: Repository,
  kind: keyof typeof FORGES,
): Promise<Published[]> {
  const { world, config, paths } = service
  const forge = FORGES[kind]
  const { api, host, path } = await locateOn(forge, service, repository)
  const first = new URL(`${api}${forge.list(path)}`)
  const cache = readReleases(paths, first.href)
  const token = await findToken(service, forge, host)
  verifyNotWaiting(world, cache, forge, token)
  const ask = asker(world, config.deployment.poll_timeout)
  const pages: Page[] = []
  while (pages.length < MOST_PAGES && !pages.at(-1)?.isLast) {
    const url = new URL(first)
    if (pages.length > 0) url.searchParams.set('page', String(pages.length + 1))
    const known = cache.pages[pages.length]
    const answer = await ask(url, headersOf(forge, token, known))
    pages.push(answer.status === 304 && known ? known : await readPage(answer))
  }
  const isUnchanged =
    pages.length === cache.pages.length && pages.every((page, at) => page === cache.pages[at])
  if (!isUnchanged) await writeReleases(paths, { url: first.href, pages, wait: null })
  return pages.flatMap(({ releases }) => releases)

  async function readPage(answer: HttpAnswer): Promise<Page> {
    if (answer.status === 200) return parsePage(forge, first, answer)
    const waitMs = waitAskedFor(world, answer)
    if (waitMs === null) throw refusal(answer.status, forge, first, path, token)
    const until = new Date(world.now() + waitMs).toISOString()
    const wait = { until, token: token?.source ?? null }
    await writeReleases(paths, { ...cache, wait })
    throw waiting(until, forge, token)
  }
}

/**
 * Sends requests, all within `timeoutMs` together, and follows redirects, such as those of a renamed repository. A redirect
 * to another server is not followed: that server must not get the token.
 */
function asker(world: World, timeoutMs: number) {
  const end = world.monotonic() + timeoutMs
  return async (url: URL, headers: Readonly<Record<string, string>>): Promise<HttpAnswer> => {
    let from = url
    for (let redirects = 0; ; redirects += 1) {
      const leftMs = Math.max(1, Math.round(end - world.monotonic()))
      const answer = await httpGet(from, headers, { timeoutMs, leftMs, maxBytes: MOST_BYTES })
      const { location } = answer.headers
      const isRedirect = [301, 302, 307, 308].includes(answer.status) && redirects < MOST_REDIRECTS
      if (!isRedirect || !location || !URL.canParse(location, from.href)) return answer
      from = new URL(location, from)
      if (from.origin !== url.origin) return answer
    }
  }
}

function headersOf(forge: Forge, token: Token | null, known: Page | undefined): Record<string, string> {
  return {
    'user-agent': 'telec',
    accept: 'application/json',
    ...forge.headers,
    ...(token ? forge.authorization(token.value) : {}),
    ...(known?.etag ? { 'if-none-match': known.etag } : {}),
  }
}

/** The releases on a page. Throws `later` where the answer is no list of releases. Pure. */
export function parsePage(forge: Forge, url: URL, { headers, body }: HttpAnswer): Page {
  const other = (because: string) =>
    new TelecError('later', `${url.origin} did not answer with a list of releases`, {
      because,
      hint: `correct deployment.api_url; or, if ${url.origin} is no ${forge.name}, deployment.releases`,
    })
  if (hasMore(body, MOST_BRACKETS)) throw other('the answer is too large')
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), forge.page), body, { abortEarly: true })
  if (!parsed.success) throw other(parsed.issues[0].message)
  if (parsed.output.length > MOST_RELEASES) throw other(`a page has ${parsed.output.length} releases`)
  const published = parsed.output.filter(({ draft }) => !draft)
  return {
    etag: typeof headers.etag === 'string' ? headers.etag : null,
    releases: published.map(({ tag_name, prerelease }) => ({ tag: tag_name, prerelease })),
    isLast: !String(headers.link ?? '').includes('rel="next"'),
  }
}

function hasMore(text: string, brackets: number): boolean {
  let left = brackets
  for (let at = 0; at < text.length && left >= 0; at += 1) if ('[{'.includes(text.charAt(at))) left -= 1
  return left < 0
}

/**
 * How long a server asks telec to wait, in milliseconds: `retry-after`, or the reset of an exhausted rate limit by the
 * server's clock, or a minute (docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api). Null: it
 * refuses for another reason.
 */
export function waitAskedFor(world: World, { status, headers, body }: HttpAnswer): number | null {
  if (status !== 403 && status !== 429) return null
  const now = Date.parse(String(headers.date))
  const reset = headers['x-ratelimit-remaining'] === '0' ? Number(headers['x-ratelimit-reset']) : Number.NaN
  const waitMs = [
    Number(headers['retry-after'] || Number.NaN) * 1000,
    reset * 1000 - (Number.isNaN(now) ? world.now() : now),
    status === 429 || /rate limit/i.test(body) ? USUAL_WAIT_MS : Number.NaN,
  ].find((ms) => !Number.isNaN(ms))
  return waitMs === undefined ? null : Math.min(Math.max(waitMs, 1_000), LONGEST_WAIT_MS)
}

function verifyNotWaiting(world: World, { wait }: ReleasesCache, forge: Forge, token: Token | null): void {
  if (wait === null || wait.token !== (token?.source ?? null)) return
  const waitMs = Date.parse(wait.until) - world.now()
  if (waitMs > 0 && waitMs <= LONGEST_WAIT_MS) throw waiting(wait.until, forge, token)
}

function waiting(until: string, { name, variable }: Forge, token: Token | null): TelecError {
  return new TelecError('later', `${name}'s rate limit is used up until ${localTime(until)}`, {
    hint: token
      ? 'wait, or set a longer deployment.poll_every'
      : `set a token, which has a higher limit: deployment.token_file, or ${variable}`,
  })
}

function refusal(
  status: number,
  { variable }: Forge,
  url: URL,
  path: string,
  token: Token | null,
): TelecError {
  const from = token ? `the token of ${token.source}` : 'no token'
  if (status === 401)
    return new TelecError('config', `${url.origin} refuses ${from}`, {
      hint: 'create a new token that may read the contents of the repository',
    })
  if (status === 403 || status === 404)
    return new TelecError('config', `${url.origin} shows no releases of ${path}`, {
      because: `${url.origin} answered ${status}, with ${from}`,
      hint: `check its name, and that the token may read its contents: deployment.token_file, or ${variable}`,
    })
  return new TelecError('later', `${url.origin} cannot list the releases of ${path}`, {
    because: `${url.origin} answered ${status}`,
    hint:
      status >= 300 && status < 400
        ? 'set deployment.api_url to the server that it redirects to, or give the remote its new URL'
        : 'wait: telec retries automatically',
  })
}
