import { mkdirSync, symlinkSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Computer } from './computer.ts'
import { freshComputer } from './fresh-computer.ts'
import { serveGit } from './git-server.ts'

export interface Asked {
  readonly path: string
  readonly token: string | undefined
  readonly status: number
}

/** A server on the loopback interface that lists the releases of a repository as GitLab or Gitea document it. */
export interface ForgeServer {
  /** For `deployment.api_url`. */
  readonly url: string
  releases: Readonly<Record<string, unknown>>[]
  /** The token that is taken; null: none is needed. */
  token: string | null
  /** Answers instead of the API, as long as it is set. */
  instead: ((request: IncomingMessage, response: ServerResponse) => void) | null
  readonly asked: Asked[]
}

export type Kind = 'gitlab' | 'gitea'

interface Dialect {
  readonly root: string
  readonly repository: string
  readonly list: string
  readonly perPage: string
  readonly mostPerPage: number
  token(headers: IncomingMessage['headers']): string | undefined
  readonly missing: string
}

const DIALECTS: Readonly<Record<Kind, Dialect>> = {
  // docs.gitlab.com/api/releases, docs.gitlab.com/api/rest (pagination, path parameters), docs.gitlab.com/api/rest/authentication
  gitlab: {
    root: '/api/v4',
    repository: 'group/sub/web',
    list: '/api/v4/projects/group%2Fsub%2Fweb/releases',
    perPage: 'per_page',
    mostPerPage: 100,
    token: (headers) => headers['private-token'] as string | undefined,
    missing: '404 Project Not Found',
  },
  // docs.gitea.com/api/1.24 (repoListReleases), docs.gitea.com/development/api-usage (authentication, pagination)
  gitea: {
    root: '/api/v1',
    repository: 'ann/web',
    list: '/api/v1/repos/ann/web/releases',
    perPage: 'limit',
    mostPerPage: 50,
    token: ({ authorization }) => /^token (.+)$/.exec(authorization ?? '')?.[1],
    missing: "The target couldn't be found.",
  },
}

/** A computer on beta whose remote is on such a server. Both end with the test. */
export async function computerOn(
  kind: Kind,
  releases: ForgeServer['releases'],
): Promise<{ computer: Computer; forge: ForgeServer }> {
  const computer = await freshComputer()
  const forge = await serveForge(DIALECTS[kind], releases)
  const path = join(computer.folder, 'served', `${DIALECTS[kind].repository}.git`)
  mkdirSync(join(path, '..'), { recursive: true })
  symlinkSync(computer.remote, path)
  const server = await serveGit(join(computer.folder, 'served'))
  onTestFinished(() => server.close())
  const url = server.url(`${DIALECTS[kind].repository}.git`)
  await computer.gitInCheckout('remote', 'set-url', 'origin', url)
  computer.writeConfig(
    `deployment:\n  checkout: ${computer.checkout}\n  channel: beta\n  releases: ${kind}\n  api_url: ${forge.url}\n`,
  )
  return { computer, forge }
}

async function serveForge(dialect: Dialect, releases: ForgeServer['releases']): Promise<ForgeServer> {
  const server = createServer((request, response) => {
    response.on('finish', () => {
      const token = dialect.token(request.headers)
      forge.asked.push({ path: request.url ?? '', token, status: response.statusCode })
    })
    if (forge.instead) forge.instead(request, response)
    else answer(forge, dialect, request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${dialect.root}`
  const forge: ForgeServer = { url, releases, token: null, instead: null, asked: [] }
  return forge
}

function answer(
  forge: ForgeServer,
  dialect: Dialect,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const url = new URL(request.url ?? '', forge.url)
  const end = (status: number, body: unknown, headers: Record<string, string> = {}) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  const token = dialect.token(request.headers)
  if (token !== undefined && token !== forge.token) return void end(401, { message: '401 Unauthorized' })
  if (url.pathname !== dialect.list || (forge.token !== null && token === undefined))
    return void end(404, { message: dialect.missing })
  const size = Math.min(Number(url.searchParams.get(dialect.perPage) ?? 20), dialect.mostPerPage)
  const page = Number(url.searchParams.get('page') ?? 1)
  const listed = forge.releases.slice((page - 1) * size, page * size)
  const next = new URL(url)
  next.searchParams.set('page', String(page + 1))
  const isLast = page * size >= forge.releases.length
  end(200, listed, isLast ? {} : { link: `<${next.href}>; rel="next"` })
}
