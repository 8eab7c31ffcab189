import * as v from 'valibot'
import type { Deployment } from '../config/deployment.ts'

/** A kind of server that knows which tags are releases: its API, and how that answers. */
export interface Forge {
  /** For messages. */
  readonly name: string
  /** The environment variable that holds a token. */
  readonly variable: string
  /** A command that prints the token of a logged-in user. */
  readonly login?: (host: string) => [program: string, ...args: string[]]
  /** How the URL of a repository ends. */
  readonly form: string
  readonly path: RegExp
  /** The base of the API, by the host of the remote. */
  api(host: string, port: string): string
  /** The list of releases below the base, newest first, with the largest page that the forge allows. */
  list(path: string): string
  readonly headers?: Record<string, string>
  /** The header that carries the token. */
  authorization(token: string): Record<string, string>
  /** A page of the list; a draft is not public yet. */
  readonly page: v.GenericSchema<unknown, readonly Listed[]>
}

interface Listed {
  readonly tag_name: string
  readonly draft: boolean
  readonly prerelease: boolean
}

/** Longer than the name of a file that git accepts. */
const TAG = v.pipe(v.string(), v.maxLength(4_096))
const DRAFTS = v.array(v.object({ tag_name: TAG, draft: v.boolean(), prerelease: v.boolean() }))

/** docs.github.com/rest/releases/releases; also Enterprise. */
const github: Forge = {
  name: 'GitHub',
  variable: 'GITHUB_TOKEN',
  login: (host) => ['gh', 'auth', 'token', '--hostname', host],
  form: 'HOST/OWNER/NAME',
  path: /^[\w.-]+\/[\w.-]+$/,
  api(host, port) {
    const isCloud = host === 'github.com' || host.endsWith('.ghe.com')
    return isCloud ? `https://api.${host}` : `https://${host}${port}/api/v3`
  },
  list: (path) => `/repos/${path}/releases?per_page=100`,
  headers: { accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' },
  authorization: (token) => ({ authorization: `Bearer ${token}` }),
  page: DRAFTS,
}

/** docs.gitlab.com/api/releases. It marks no prereleases, and lists upcoming releases. */
const gitlab: Forge = {
  name: 'GitLab',
  variable: 'GITLAB_TOKEN',
  form: 'HOST/GROUP/NAME',
  path: /^[\w.-]+(\/[\w.-]+)+$/,
  api: (host, port) => `https://${host}${port}/api/v4`,
  list: (path) => `/projects/${encodeURIComponent(path)}/releases?per_page=100`,
  authorization: (token) => ({ 'private-token': token }),
  page: v.array(
    v.pipe(
      v.object({ tag_name: TAG, upcoming_release: v.optional(v.boolean(), false) }),
      v.transform((release) => ({ ...release, draft: release.upcoming_release, prerelease: false })),
    ),
  ),
}

/** docs.gitea.com/api and codeberg.org/api/swagger: Forgejo answers the same. Both allow at most 50 on a page. */
const gitea: Forge = {
  name: 'Gitea',
  variable: 'GITEA_TOKEN',
  form: 'HOST/OWNER/NAME',
  path: /^[\w.-]+\/[\w.-]+$/,
  api: (host, port) => `https://${host}${port}/api/v1`,
  list: (path) => `/repos/${path}/releases?limit=50`,
  authorization: (token) => ({ authorization: `token ${token}` }),
  page: DRAFTS,
}

/** By the values of `deployment.releases`. */
export const FORGES: Readonly<Record<Exclude<Deployment['releases'], 'tags'>, Forge>> = {
  github,
  gitlab,
  gitea,
}
