import * as v from 'valibot'
import type { Config } from '../config/schema.ts'

/** A kind of server that says which tags are releases: what its API wants, and how it answers. */
export interface Forge {
  /** For people. */
  readonly name: string
  /** The environment variable that holds a token. */
  readonly variable: string
  /** The command that knows a token where a person is logged in. */
  login(host: string): readonly [program: string, ...args: string[]] | null
  /** What the URL of a repository ends in. */
  readonly form: string
  readonly path: RegExp
  /** Where its API is, by the host of the remote. */
  api(host: string, port: string): string
  /** The list of a repository's releases below the API, newest first and as many on a page as it gives. */
  list(path: string): string
  headers(token: string | null): Record<string, string>
  /** A page of that list; what is not public yet is a draft. */
  readonly page: v.GenericSchema<unknown, readonly Listed[]>
}

interface Listed {
  readonly tag_name: string
  readonly draft: boolean
  readonly prerelease: boolean
}

/** Longer than git takes in the name of a file. */
const TAG = v.pipe(v.string(), v.maxLength(4_096))
const DRAFTS = v.array(v.object({ tag_name: TAG, draft: v.boolean(), prerelease: v.boolean() }))

/** docs.github.com/rest/releases/releases; Enterprise, too. */
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
  headers: (token) => ({
    accept: 'application/vnd.github+json',
    'x-github-api-version': '2022-11-28',
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
  }),
  page: DRAFTS,
}

/** docs.gitlab.com/api/releases. It has no prereleases but by their version, and shows those of a day to come. */
const gitlab: Forge = {
  name: 'GitLab',
  variable: 'GITLAB_TOKEN',
  login: () => null,
  form: 'HOST/GROUP/NAME',
  path: /^[\w.-]+(\/[\w.-]+)+$/,
  api: (host, port) => `https://${host}${port}/api/v4`,
  list: (path) => `/projects/${encodeURIComponent(path)}/releases?per_page=100`,
  headers: (token) => ({
    accept: 'application/json',
    ...(token === null ? {} : { 'private-token': token }),
  }),
  page: v.array(
    v.pipe(
      v.object({ tag_name: TAG, upcoming_release: v.optional(v.boolean(), false) }),
      v.transform(({ tag_name, upcoming_release }) => ({
        tag_name,
        draft: upcoming_release,
        prerelease: false,
      })),
    ),
  ),
}

/** docs.gitea.com/api and codeberg.org/api/swagger: Forgejo answers the same. 50 on a page is what both allow at most. */
const gitea: Forge = {
  name: 'Gitea',
  variable: 'GITEA_TOKEN',
  login: () => null,
  form: 'HOST/OWNER/NAME',
  path: /^[\w.-]+\/[\w.-]+$/,
  api: (host, port) => `https://${host}${port}/api/v1`,
  list: (path) => `/repos/${path}/releases?limit=50`,
  headers: (token) => ({
    accept: 'application/json',
    ...(token === null ? {} : { authorization: `token ${token}` }),
  }),
  page: DRAFTS,
}

/** By the words of `deployment.releases`. */
export const FORGES: Readonly<Record<Exclude<Config['deployment']['releases'], 'tags'>, Forge>> = {
  github,
  gitlab,
  gitea,
}
