export const REDIS_URL_FORMS =
  'redis://HOST:6379, redis+sentinel://HOST,HOST/MASTER or redis+cluster://HOST,HOST (rediss…: over TLS)'

const FORM = /^redis(s?)(?:\+(sentinel|cluster))?:\/\/([^@/]*@)?([^@/?#]+)(?:\/(.*))?$/
/** What follows the hosts. A cluster has only the database 0. */
const PLACE = {
  single: /^(?<database>\d{0,4})$/,
  sentinel: /^(?<master>[^/]+)\/?(?<database>\d{0,4})$/,
  cluster: /^0?$/,
}

/**
 * Where Redis is, and as whom to ask it: `REDIS_URL_FORMS`, each with USER:PASSWORD@ and /DATABASE; ioredis knows only
 * the first. Null: it is none of these.
 */
export function parseRedisUrl(url: string) {
  const [, tls, form, login = '', hosts = '', path = ''] = FORM.exec(url) ?? []
  const kind = form === 'sentinel' || form === 'cluster' ? form : 'single'
  const place = PLACE[kind].exec(path)
  try {
    const nodes = hosts.split(',').map((host) => new URL(`redis://${login}${host}`))
    const [first] = nodes
    if (!first || place === null || nodes.some(({ hostname }) => hostname === '')) return null
    if (kind === 'single' && nodes.length > 1) return null
    return {
      kind,
      isTls: tls === 's',
      /** Of Redis itself, of the sentinels, or of some of the cluster's nodes. */
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
    return null // a host, a port or a % that is none
  }
}
