import type { Service } from '../config/service.ts'
import { printableRemote } from '../git/causes.ts'
import { remoteUrl } from '../git/git.ts'
import type { Repository } from '../git/repository.ts'
import { TelecError } from '../system/errors.ts'

/** A repository on GitHub, and where its API is asked about it. */
export interface Place {
  readonly api: string
  /** The host that a token is for, as `gh auth token --hostname` has it. */
  readonly host: string
  /** `OWNER/NAME`. */
  readonly path: string
}

/** Finds the repository by the remote's URL. Throws `config` where that names none on GitHub. */
export async function locateOnGitHub(
  { config: { deployment } }: Service,
  repository: Repository,
): Promise<Place> {
  const place = placeOf(await remoteUrl(repository, deployment.remote), deployment.api_url)
  if (typeof place !== 'string') return place
  throw new TelecError(
    'config',
    `deployment.releases is github, and ${printableRemote(deployment.remote)} is no repository there`,
    {
      because: place,
      hint: 'set deployment.releases to tags, deployment.remote to a repository on GitHub, or deployment.api_url',
    },
  )
}

/** What the URL of a remote names on GitHub, or why that is nothing. Pure. */
export function placeOf(remote: string, apiUrl?: string): Place | string {
  const { host, port, path } = parseRemote(remote)
  if (!host || !/^[\w.-]+\/[\w.-]+$/.test(path)) return 'its URL does not end in HOST/OWNER/NAME'
  // Of github-work in ~/.ssh/config only ssh knows where it is.
  if (apiUrl === undefined && !host.includes('.')) return `${host} is no host on the internet`
  const api = new URL(apiUrl ?? apiOf(host, port))
  return { api: api.href.replace(/\/+$/, ''), host: api.hostname.replace(CLOUD_API, '$1'), path }
}

/** The API of github.com, and of enterprises that have a subdomain of ghe.com. */
const CLOUD_API = /^api\.(github\.com|.+\.ghe\.com)$/

function apiOf(host: string, port: string): string {
  const isCloud = host === 'github.com' || host.endsWith('.ghe.com')
  return isCloud ? `https://api.${host}` : `https://${host}${port}/api/v3`
}

/** `SCHEME://[USER@]HOST[:PORT]/OWNER/NAME[.git]`, or `[USER@]HOST:OWNER/NAME[.git]` (git-clone(1), GIT URLS). */
function parseRemote(url: string): { host: string; port: string; path: string } {
  const [, scheme = '', host = '', port = '', path = ''] =
    (url.includes('://')
      ? /^([a-z][a-z0-9+.-]*):\/\/(?:[^/]*@)?([^/:]+)(:\d+)?\/(.+)$/i
      : /^()(?:[^/]*@)?([^/:]+):()\/?(.+)$/
    ).exec(url) ?? []
  return {
    host: host.toLowerCase().replace(/^(?:ssh|www)\.github\.com$/, 'github.com'), // ssh. takes ssh on port 443
    port: /^https?$/i.test(scheme) ? port : '', // that of ssh is not that of the API
    path: path.replace(/\/+$/, '').replace(/\.git$/, ''),
  }
}
