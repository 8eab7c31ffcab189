/** Where Redis is, and as whom to ask it. */
export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster'
  readonly isTls: boolean
  /** Of Redis itself, of the sentinels, or of some of the cluster's nodes. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
  readonly username: string | null
  readonly password: string | null
  readonly database: number
  /** The name by which the sentinels know the master. */
  readonly master: string | null
}

const URL_PATTERN = /^redis(s?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^@/]+)(?:\/(.*))?$/
const NODE_PATTERN = /^(?:\[([0-9a-f:]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/
const PORT = 6379
const SENTINEL_PORT = 26379

/**
 * `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, `redis+sentinel://HOST,HOST/MASTER`, `redis+cluster://HOST,HOST`; with
 * `rediss` over TLS. Null: it is none of these.
 */
export function parseRedisUrl(url: string): RedisAddress | null {
  const [, tls, form, login, hosts = '', path = ''] = URL_PATTERN.exec(url) ?? []
  const kind = form === 'sentinel' || form === 'cluster' ? form : 'single'
  const nodes = hosts.split(',').map((text) => parseNode(text, kind === 'sentinel' ? SENTINEL_PORT : PORT))
  const credentials = parseLogin(login)
  const place = parsePath(path, kind)
  if (tls === undefined || nodes.includes(null) || credentials === null || place === null) return null
  if (kind === 'single' && nodes.length > 1) return null
  return { kind, isTls: tls === 's', nodes: nodes.flatMap((node) => node ?? []), ...credentials, ...place }
}

function parseNode(text: string, defaultPort: number): { host: string; port: number } | null {
  const [, v6, name, port] = NODE_PATTERN.exec(text) ?? []
  const host = v6 ?? name
  const number = port === undefined ? defaultPort : Number(port)
  return host === undefined || number < 1 || number > 65_535 ? null : { host, port: number }
}

function parseLogin(login = ''): Pick<RedisAddress, 'username' | 'password'> | null {
  const [username = '', ...rest] = login.split(':')
  try {
    const [user, password] = [username, rest.join(':')].map(decodeURIComponent)
    return { username: user || null, password: password || null }
  } catch {
    return null // a % that encodes nothing
  }
}

function parsePath(
  path: string,
  kind: RedisAddress['kind'],
): Pick<RedisAddress, 'database' | 'master'> | null {
  const parts = path === '' ? [] : path.split('/')
  const master = kind === 'sentinel' ? (parts.shift() ?? '') : null
  const [database = '0', ...more] = parts
  if (master === '' || more.length > 0 || !/^\d{1,4}$/.test(database)) return null
  if (kind === 'cluster' && database !== '0') return null // a cluster has only that one
  return { database: Number(database), master }
}
