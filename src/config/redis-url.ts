export const REDIS_URL_FORMS =
  'redis://HOST:6379, redis+sentinel://HOST,HOST/MASTER or redis+cluster://HOST,HOST (rediss…: over TLS)'

const FORM = /^redis(s?)(?:\+(sentinel|cluster))?:\/\/([^@/]*@)?([^@/?#]+)(?:\/(.*))?$/
/** The path after the hosts. A cluster has only database 0. */
const PATHS = {
  single: /^(?<database>\d{0,4})$/,
  sentinel: /^(?<master>[^/]+)\/?(?<database>\d{0,4})$/,
  cluster: /^0?$/,
}

/** Parses `REDIS_URL_FORMS`, each with USER:PASSWORD@ and /DATABASE; null: invalid. ioredis parses only the first. */
export function parseRedisUrl(url: string) {
  const [, tls, form, login = '', hosts = '', path = ''] = FORM.exec(url) ?? []
  const kind = form === 'sentinel' || form === 'cluster' ? form : 'single'
  const place = PATHS[kind].exec(path)
  try {
    const nodes = hosts.split(',').map((host) => new URL(`redis://${login}${host}`))
    const [first] = nodes
    if (!first || place === null || nodes.some(({ hostname }) => hostname === '')) return null
    if (kind === 'single' && nodes.length > 1) return null
    return {
      kind,
      isTls: tls === 's',
      /** Redis itself, the sentinels, or some nodes of the cluster. */
      nodes: nodes.map(({ hostname, port }) => ({
        host: hostname.replace(/^\[|\]$/g, ''),
        port: Number(port || (kind === 'sentinel' ? 26379 : 6379)),
      })),
      username: decodeURIComponent(first.username),
      password: decodeURIComponent(first.password),
      database: Number(place.groups?.database ?? 0),
      master: place.groups?.master ?? '',
    }
  } catch {
    return null // an invalid host, port or % escape
  }
}
