import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

export interface Release {
  readonly tag_name: string
  readonly draft?: boolean
  readonly prerelease?: boolean
}

/** What came in, as far as tests ask. */
export interface Asked {
  readonly path: string
  readonly authorization: string | undefined
  readonly status: number
}

export interface GitHub {
  /** For `deployment.api_url`. */
  readonly url: string
  releases: Release[]
  /** Releases a page; 100 unless told, as telec asks. */
  pageSize: number
  /** The token that is taken; null: none is needed. */
  token: string | null
  /** Answers instead of the API, as long as it is set. */
  instead: ((request: IncomingMessage, response: ServerResponse) => void) | null
  readonly asked: Asked[]
}

/**
 * A server on the loopback interface that answers `GET /repos/{owner}/{repo}/releases` as GitHub documents it: ETag
 * and 304, pages by Link, 401 and 404 with its messages. It ends with the test.
 */
export async function serveGitHub(releases: Release[]): Promise<GitHub> {
  const server = createServer((request, response) => {
    response.on('finish', () => {
      const { authorization } = request.headers
      github.asked.push({ path: request.url ?? '', authorization, status: response.statusCode })
    })
    if (github.instead) return github.instead(request, response)
    answer(github, request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const github: GitHub = {
    url: `http://127.0.0.1:${port}/api/v3`,
    releases,
    pageSize: 100,
    token: null,
    instead: null,
    asked: [],
  }
  return github
}

function answer(github: GitHub, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '', github.url)
  const end = (status: number, body: unknown, headers: Record<string, string> = {}) => {
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
    response.end(status === 304 ? undefined : JSON.stringify(body))
  }
  const { authorization } = request.headers
  const refused = refusal(github, url, authorization)
  if (refused !== null) {
    end(refused, { message: refused === 401 ? 'Bad credentials' : 'Not Found', status: String(refused) })
    return
  }
  const page = Number(url.searchParams.get('page') ?? 1)
  const from = (page - 1) * github.pageSize
  const listed = github.releases.slice(from, from + github.pageSize).map((release, index) => ({
    id: from + index,
    html_url: `https://github.com/ann/web/releases/${release.tag_name}`,
    target_commitish: 'main',
    name: release.tag_name,
    draft: false,
    prerelease: false,
    ...release,
  }))
  const etag = `W/"${createHash('sha256').update(JSON.stringify(listed)).digest('hex')}"`
  const isLast = from + github.pageSize >= github.releases.length
  const next = `<${github.url}/repos/ann/web/releases?per_page=100&page=${page + 1}>; rel="next"`
  const headers = { etag, 'x-ratelimit-remaining': '59', ...(isLast ? {} : { link: next }) }
  end(request.headers['if-none-match'] === etag ? 304 : 200, listed, headers)
}

function refusal(github: GitHub, { pathname }: URL, authorization: string | undefined): number | null {
  if (authorization !== undefined && authorization !== `Bearer ${github.token}`) return 401
  if (github.token !== null && authorization === undefined) return 404
  return pathname === '/api/v3/repos/ann/web/releases' ? null : 404
}
