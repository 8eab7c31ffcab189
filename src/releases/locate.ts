import type { Service } from '../config/service.ts'
import { remoteUrl } from '../git/git.ts'
import type { Repository } from '../git/repository.ts'
import { TelecError } from '../system/errors.ts'
import type { Forge } from './forges.ts'

/** A repository on a forge. */
export interface Place {
  /** The base of the API. */
  readonly api: string
  /** The host of the token, as `gh auth token --hostname` takes it. */
  readonly host: string
  /** `OWNER/NAME`. */
  readonly path: string
}

/** Finds the repository by the remote's URL. Throws `config` where the URL names none. */
export async function locateOn(
  forge: Forge,
  { config: { deployment } }: Service,
  repository: Repository,
): Promise<Place> {
  const place = placeOf(forge, await remoteUrl(repository, deployment.remote), deployment.api_url)
  if (typeof place !== 'string') return place
  throw new TelecError(
    'config',
    `${deployment.remote} is no repository on ${forge.name} (deployment.releases: ${deployment.releases})`,
    {
      because: place,
      hint: `set deployment.releases to tags, deployment.remote to a repository on ${forge.name}, or deployment.api_url`,
    },
  )
}

/** The repository that a URL names on a forge, or why it names none. Pure. */
export function placeOf(forge: Forge, remote: string, apiUrl?: string): Place | string {
  const { scheme, host, port, path: whole } = parseRemote(remote)
  const path = scheme.startsWith('http') ? withoutRoot(whole, apiUrl) : whole
  if (!host || !forge.path.test(path)) return `its URL does not end in ${forge.form}`
  // Only ssh knows the host of an alias such as github-work in ~/.ssh/config.
  if (apiUrl === undefined && !host.includes('.')) return `${host} is no host on the internet`
  const base = apiUrl ?? forge.api(host, port)
  if (!URL.canParse(base)) return 'its URL has an invalid host'
  const api = new URL(base)
  return { api: api.href.replace(/\/+$/, ''), host: api.hostname.replace(CLOUD_API, '$1'), path }
}

/** The API of github.com, and of enterprises below ghe.com. */
const CLOUD_API = /^api\.(github\.com|.+\.ghe\.com)$/

/** A server below a path, such as https://example.com/git, has its repositories and its API there. */
function withoutRoot(path: string, apiUrl = ''): string {
  const [, root] = /^https?:\/\/[^/]+\/(.+\/)api\/v\d+\/*$/.exec(apiUrl) ?? []
  return root !== undefined && path.startsWith(root) ? path.slice(root.length) : path
}

/** `SCHEME://[USER@]HOST[:PORT]/OWNER/NAME[.git]`, or `[USER@]HOST:OWNER/NAME[.git]` (git-clone(1), GIT URLS). */
function parseRemote(url: string): Record<'scheme' | 'host' | 'port' | 'path', string> {
  const [, scheme = '', host = '', port = '', path = ''] =
    (url.includes('://')
      ? /^([a-z][a-z0-9+.-]*):\/\/(?:[^/]*@)?([^/:]+)(:\d+)?\/(.+)$/i
      : /^()(?:[^/]*@)?([^/:]+):()\/?(.+)$/
    ).exec(url) ?? []
  return {
    scheme: scheme.toLowerCase(),
    host: host.toLowerCase().replace(/^(?:www|ssh|altssh)\.(?=git(?:hub|lab)\.com$)/, ''), // hosts for ssh on port 443
    port: /^https?$/i.test(scheme) ? port : '', // the port of ssh is not that of the API
    path: path.replace(/\/+$/, '').replace(/\.git$/, ''),
  }
}
