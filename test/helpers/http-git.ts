import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import * as http from 'node:http'
import * as https from 'node:https'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Certificate } from './certificate.ts'

export interface HttpGit {
  /** The URL of a repository below the folder that is served. */
  url(repository: string, credentials?: string): string
  /** Answers instead of git http-backend, as long as it is set; false: after all not. */
  instead: ((request: http.IncomingMessage, response: http.ServerResponse) => boolean) | null
  /** How often it was asked without the credentials that it takes. */
  readonly refused: string[]
}

/** git http-backend(1) behind an HTTP or HTTPS server on the loopback interface, with basic auth. It ends with the test. */
export async function serveHttpGit(
  folder: string,
  credentials: string | null = null,
  tls: Certificate | null = null,
): Promise<HttpGit> {
  const answer: http.RequestListener = (request, response) => {
    if (git.instead?.(request, response)) return
    const { authorization } = request.headers
    const expected = credentials === null ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`
    if (authorization === expected) return backend(folder, request, response)
    git.refused.push(request.url ?? '')
    response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
  }
  const server = tls
    ? https.createServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, answer)
    : http.createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const git: HttpGit = {
    url: (repository, user) =>
      `http${tls ? 's' : ''}://${user ? `${user}@` : ''}127.0.0.1:${port}/${repository}`,
    instead: null,
    refused: [],
  }
  return git
}

/** One request by the rules of CGI (RFC 3875). */
function backend(folder: string, request: http.IncomingMessage, response: http.ServerResponse): void {
  const url = new URL(request.url ?? '', 'http://127.0.0.1')
  const { headers } = request
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: folder,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_COUNT: '1', // the repository may belong to another user than the test's
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '*',
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: headers['content-type'] ?? '',
      CONTENT_LENGTH: headers['content-length'] ?? '',
      HTTP_CONTENT_ENCODING: headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(headers['git-protocol'] ?? ''),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  request.pipe(child.stdin)
  child.stdin.on('error', () => undefined) // it does not read what it does not need
  let head = Buffer.alloc(0)
  let isBody = false
  child.stdout.on('data', (chunk: Buffer) => {
    if (isBody) return void response.write(chunk)
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end === -1) return
    isBody = true
    const lines = head.subarray(0, end).toString().split('\r\n')
    const fields = lines.map((line): [string, string] => {
      const at = line.indexOf(':')
      return [line.slice(0, at), line.slice(at + 1).trim()]
    })
    const status = Number.parseInt(Object.fromEntries(fields).Status ?? '200', 10)
    response.writeHead(status, Object.fromEntries(fields.filter(([name]) => name !== 'Status')))
    response.write(head.subarray(end + 4))
  })
  child.on('close', () => response.end())
}
