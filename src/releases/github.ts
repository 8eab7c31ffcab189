import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import type { Config } from '../config/schema.ts'
import { type Repository, remoteUrl } from '../git/git.ts'
import { TelecError } from '../system/errors.ts'
import { readText, writeJson } from '../system/files.ts'
import { type HttpAnswer, httpGet } from '../system/http.ts'
import type { World } from '../system/world.ts'
import { findToken, type Token } from './token.ts'

/** A release that was published, by the name of its tag. */
export interface Published {
  readonly tag: string
  readonly prerelease: boolean
}

const LIMITS = { timeoutMs: 15_000, maxBytes: 8 * 1024 * 1024 }
/** Newest first, a hundred a page: what is further back was passed over long ago. */
const MOST_PAGES = 10
/** GitHub's limits end within the hour; a longer wait comes from a clock that is wrong. */
const LONGEST_WAIT_MS = 60 * 60_000

// GET /repos/{owner}/{repo}/releases, of which the rest is not read (docs.github.com/rest/releases/releases).
const ReleasesSchema = v.array(
  v.object({ tag_name: v.string(), draft: v.boolean(), prerelease: v.boolean() }),
)

const PageSchema = v.object({
  etag: v.nullable(v.string()),
  releases: v.array(v.object({ tag: v.string(), prerelease: v.boolean() })),
  isLast: v.boolean(),
})
type Page = v.InferOutput<typeof PageSchema>

const CacheSchema = v.object({
  /** Of the list; another repository's pages are not taken for this one's. */
  url: v.string(),
  pages: v.array(PageSchema),
  /** GitHub asked to be left alone until then. */
  wait_until: v.nullable(v.string()),
})
type Cache = v.InferOutput<typeof CacheSchema>

/**
 * The releases that are published on GitHub; drafts are none. What was answered before is asked for by its ETag, which
 * costs nothing of the rate limit while it is unchanged. Throws `later` where GitHub cannot say: nothing is guessed.
 */
export async function publishedReleases(
  world: World,
  config: Config,
  paths: Paths,
  repository: Repository,
): Promise<Published[]> {
  const { api, host, path } = await locateList(world, config, repository)
  const first = new URL(`${api}/repos/${path}/releases?per_page=100`)
  const cache = readCache(paths, first.href)
  verifyNotWaiting(world, cache)
  const token = await findToken(world, config, host)
  const pages: Page[] = []
  for (let number = 1; number <= MOST_PAGES; number += 1) {
    const url = new URL(first)
    if (number > 1) url.searchParams.set('page', String(number))
    const known = cache.pages[number - 1]
    const answer = await httpGet(url, headersOf(token, known), LIMITS)
    const page = answer.status === 304 && known ? known : await readPage(answer)
    pages.push(page)
    if (page.isLast) break
  }
  const isUnchanged =
    pages.length === cache.pages.length && pages.every((page, at) => page === cache.pages[at])
  if (!isUnchanged)
    await writeJson(paths.releases, { url: first.href, pages, wait_until: null } satisfies Cache)
  return pages.flatMap(({ releases }) => releases)

  async function readPage(answer: HttpAnswer): Promise<Page> {
    if (answer.status === 200) return parsePage(first, answer)
    const waitMs = answer.status === 403 || answer.status === 429 ? waitAskedFor(world, answer) : null
    if (waitMs === null) throw refusal(answer.status, first, path, token)
    const wait_until = new Date(world.now() + waitMs).toISOString()
    await writeJson(paths.releases, { ...cache, wait_until } satisfies Cache)
    throw waiting(wait_until)
  }
}

/** Where the list is: `api_url`, or the API of the host that the remote's URL names. */
async function locateList(
  world: World,
  { deployment }: Config,
  repository: Repository,
): Promise<{ api: string; host: string; path: string }> {
  const url = await remoteUrl(world, repository, deployment.remote)
  const { host, path } = parseRemote(url)
  if (!host || !/^[\w.-]+\/[\w.-]+$/.test(path))
    throw new TelecError(
      'config',
      `deployment.releases is github, and ${deployment.remote} is no repository there`,
      {
        because: `its URL does not end in HOST/OWNER/NAME`,
        hint: 'set deployment.releases to tags, or deployment.remote to a repository on GitHub',
      },
    )
  const own = host === 'github.com' ? 'https://api.github.com' : `https://${host}/api/v3`
  return { api: (deployment.api_url ?? own).replace(/\/+$/, ''), host, path }
}

/** `SCHEME://[USER@]HOST[:PORT]/OWNER/NAME[.git]`, or `[USER@]HOST:OWNER/NAME[.git]` (git-clone(1), GIT URLS). */
function parseRemote(url: string): { host: string; path: string } {
  const [, host = '', path = ''] =
    /^[a-z+]+:\/\/(?:[^/@]*@)?([^/:]+)(?::\d+)?\/(.+)$/i.exec(url) ??
    /^(?:[^/@]*@)?([^/:]+):\/?(.+)$/.exec(url) ??
    []
  return { host, path: path.replace(/\/+$/, '').replace(/\.git$/, '') }
}

function headersOf(token: Token | null, known: Page | undefined): Record<string, string> {
  return {
    accept: 'application/vnd.github+json',
    'user-agent': 'telec',
    'x-github-api-version': '2022-11-28',
    ...(token ? { authorization: `Bearer ${token.value}` } : {}),
    ...(known?.etag ? { 'if-none-match': known.etag } : {}),
  }
}

function parsePage(url: URL, { headers, body }: HttpAnswer): Page {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), ReleasesSchema), body)
  if (!parsed.success)
    throw new TelecError('later', `${url.origin} answers something else than a list of releases`, {
      because: parsed.issues[0].message,
      hint: 'is deployment.api_url right?',
    })
  const published = parsed.output.filter(({ draft }) => !draft)
  return {
    etag: typeof headers.etag === 'string' ? headers.etag : null,
    releases: published.map(({ tag_name, prerelease }) => ({ tag: tag_name, prerelease })),
    isLast: !String(headers.link ?? '').includes('rel="next"'),
  }
}

/**
 * How long GitHub asks to be left alone, in milliseconds: `retry-after`, or the reset of a rate limit that is used up
 * (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api). Null: it refuses for another reason.
 */
function waitAskedFor(world: World, { headers }: HttpAnswer): number | null {
  const seconds = Number(headers['retry-after'] ?? Number.NaN)
  const reset = headers['x-ratelimit-remaining'] === '0' ? Number(headers['x-ratelimit-reset']) : Number.NaN
  const waitMs = Number.isFinite(seconds) ? seconds * 1000 : reset * 1000 - world.now()
  return Number.isNaN(waitMs) ? null : Math.min(Math.max(waitMs, 1_000), LONGEST_WAIT_MS)
}

function verifyNotWaiting(world: World, { wait_until }: Cache): void {
  if (wait_until === null) return
  const waitMs = Date.parse(wait_until) - world.now()
  if (waitMs > 0 && waitMs <= LONGEST_WAIT_MS) throw waiting(wait_until)
}

function waiting(until: string): TelecError {
  return new TelecError('later', `GitHub's rate limit is used up; it asks to be left alone until ${until}`, {
    hint: 'a token has a higher one: deployment.token_file, or GITHUB_TOKEN',
  })
}

function refusal(status: number, url: URL, path: string, token: Token | null): TelecError {
  const from = token ? `the token of ${token.source}` : 'no token'
  if (status === 401)
    return new TelecError('config', `${url.origin} does not take ${from}`, {
      hint: 'make a new one that may read the contents of the repository',
    })
  if (status === 403 || status === 404)
    return new TelecError('config', `${url.origin} shows no releases of ${path}`, {
      because: `it answered ${status}, with ${from}`,
      hint: 'is the name right, and may the token read its contents? deployment.token_file, or GITHUB_TOKEN',
    })
  return new TelecError('later', `${url.origin} cannot list the releases of ${path}`, {
    because: `it answered ${status}`,
    hint:
      status >= 300 && status < 400
        ? 'a repository that was renamed answers so: give the remote its new URL'
        : 'wait: it is asked again by itself; githubstatus.com knows more',
  })
}

/** It saves requests, and is no state: one that cannot be understood is as good as none, and replaced. */
function readCache(paths: Paths, url: string): Cache {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), CacheSchema), readText(paths.releases) ?? '')
  return parsed.success && parsed.output.url === url ? parsed.output : { url, pages: [], wait_until: null }
}
