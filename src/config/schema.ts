import * as v from 'valibot'
import { parseRedisUrl } from './redis-url.ts'
import { isTimeZone, parseWindow } from './window.ts'

/**
 * The configuration: each key once, with its type, its default and the sentence that says what it takes
 * (the message of an error is that sentence; the value that was found is added to it).
 */

const DURATION = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds of a text such as `90s`, `5m` or `2h`; null when it is none. */
export function parseDuration(text: string): number | null {
  const [, amount, unit] = DURATION.exec(text.trim()) ?? []
  return amount && unit ? Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS] : null
}

/** A duration such as `90s`, `5m` or `2h`, within these bounds; milliseconds come out. */
function duration(least: string, most?: string) {
  const leastMs = parseDuration(least) ?? 0
  const mostMs = parseDuration(most ?? '') ?? Number.POSITIVE_INFINITY
  const takes = `a time of at least ${least}${most ? ` and at most ${most}` : ''}, such as 90s, 5m or 2h`
  const isWithin = (ms: number) => ms >= leastMs && ms <= mostMs
  return v.pipe(
    v.string(takes),
    v.check((text) => isWithin(parseDuration(text) ?? -1), takes),
    v.transform((text) => parseDuration(text) ?? leastMs),
  )
}

/** A text that git or the service manager gets as an argument: empty ones and options are refused. */
function argument(takes: string) {
  return v.pipe(
    v.string(takes),
    v.check((text) => text.trim() !== '' && !text.startsWith('-') && !hasControlCharacter(text), takes),
  )
}

function hasControlCharacter(text: string): boolean {
  return [...text].some((char) => char < ' ' || char === '\u007f')
}

/** A computer's name: part of a key in Redis, and shown on other computers' screens. */
export const COMPUTER_NAME = /^[A-Za-z0-9][\w.-]{0,63}$/
const COMPUTER = 'a name of 1 to 64 letters, digits, dots, dashes and underscores'
const MINOR = 'a minor version in quotes: "1.4"'
/** Each takes up to 45 s of a poll, which the watch unit gives 6 min in all. */
const MOST_MIRRORS = 5
const MIRRORS = `a list of URLs of the same repository, at most ${MOST_MIRRORS}`
const CHECKOUT = 'the absolute path of a git checkout (~/ is your home folder)'

const API_URL = "the https URL of GitHub's API, such as https://github.example.com/api/v3"

/** A path that is absolute, or below the home folder. */
function path(what: string) {
  const takes = `the absolute path of ${what}`
  return v.pipe(v.string(takes), v.regex(/^(~\/|\/)./s, takes))
}

/** A token that goes over http can be read on the way; to this computer itself there is no way. */
function isApiUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return (
    protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(hostname))
  )
}

const commandLine = v.pipe(v.string('a command line'), v.nonEmpty('a command line'))

const ZONE = "a time zone of the IANA's, such as Europe/Berlin"
const WINDOW = 'weekly hours such as "Mon-Fri 02:00-05:00" or "22:00-04:00", in quotes, or a list of such'

const windows = v.pipe(
  v.union([v.string(), v.array(v.string())], WINDOW),
  v.transform((given) => [given].flat()),
  v.check((given) => given.every((text) => parseWindow(text) !== null), WINDOW),
)

const Deployment = v.pipe(
  v.strictObject({
    channel: v.optional(v.picklist(['alpha', 'beta', 'stable'], 'alpha, beta or stable'), 'alpha'),
    pinned_minor: v.optional(v.pipe(v.string(MINOR), v.regex(/^\d+\.\d+$/, MINOR))),
    checkout: v.pipe(v.string(CHECKOUT), v.regex(/^(~\/|\/)./s, CHECKOUT)),
    remote: v.optional(argument("the name of one of the checkout's remotes, or a URL"), 'origin'),
    mirrors: v.optional(v.pipe(v.array(argument(MIRRORS), MIRRORS), v.maxLength(MOST_MIRRORS, MIRRORS)), []),
    branch: v.optional(argument('the name of a branch'), 'main'),
    releases: v.optional(v.picklist(['tags', 'github'], 'tags or github'), 'tags'),
    api_url: v.optional(v.pipe(v.string(API_URL), v.check(isApiUrl, API_URL))),
    token_file: v.optional(path('a file that holds a token')),
    verify: v.optional(
      v.picklist(['none', 'signed-tag', 'signed-commit'], 'none, signed-tag or signed-commit'),
      'none',
    ),
    verify_commits: v.optional(v.picklist(['all', 'tip'], 'all or tip'), 'all'),
    allowed_signers: v.optional(path('an allowed signers file (ssh-keygen(1)), outside the checkout')),
    revoked_signers: v.optional(path('a file of revoked SSH keys (ssh-keygen(1)), outside the checkout')),
    keyring: v.optional(path('a file of public keys (gpg --export), outside the checkout')),
    prereleases: v.optional(v.boolean('true or false'), false),
    submodules: v.optional(v.boolean('true or false'), false),
    migrations: v.optional(argument('a folder inside the checkout'), 'migrations'),
    version_file: v.optional(argument('a file inside the checkout')),
    install: v.optional(commandLine),
    install_timeout: v.optional(duration('1s'), '30m'),
    poll_every: v.optional(duration('5s'), '60s'),
    poll_timeout: v.optional(duration('1s', '45s'), '45s'), // the watch unit's own limit counts on that
    fetch_timeout: v.optional(duration('1s'), '15m'),
    min_age: v.optional(duration('0s'), '0s'),
    window: v.optional(windows, []),
    timezone: v.optional(v.pipe(v.string(ZONE), v.check(isTimeZone, ZONE))),
  }),
  v.forward(
    v.check(
      ({ channel, pinned_minor }) => channel !== 'stable' || pinned_minor !== undefined,
      'with channel: stable, the minor version to stay on, in quotes: "1.4"',
    ),
    ['pinned_minor'],
  ),
  v.forward(
    v.check(
      ({ channel, pinned_minor }) => channel === 'stable' || pinned_minor === undefined,
      'nothing unless channel is stable: remove the key, or set channel: stable',
    ),
    ['pinned_minor'],
  ),
  v.forward(
    v.check(
      ({ verify, channel }) => verify !== 'signed-tag' || channel !== 'alpha',
      'signed-commit on alpha, which follows a branch and no tags',
    ),
    ['verify'],
  ),
  v.forward(
    v.check(
      ({ verify, allowed_signers, keyring }) => verify === 'none' || Boolean(allowed_signers ?? keyring),
      'nothing but none without the keys that may sign: set allowed_signers (SSH) or keyring (GPG)',
    ),
    ['verify'],
  ),
  v.forward(
    v.check(
      ({ channel, releases }) => channel !== 'alpha' || releases === 'tags',
      'nothing on alpha, which follows a branch: remove the key, or set channel: beta',
    ),
    ['releases'],
  ),
)

const Service = v.strictObject({
  name: argument('the name of a systemd unit (teleclaude.service) or a launchd label'),
  scope: v.optional(v.picklist(['user', 'system'], 'user or system'), 'user'),
  restart: v.optional(v.picklist(['exit-42', 'manager', 'none'], 'exit-42, manager or none'), 'exit-42'),
  health: v.optional(commandLine),
  health_timeout: v.optional(duration('1s'), '60s'),
  healthy_after: v.optional(duration('0s'), '5s'),
  stop_timeout: v.optional(duration('1s'), '90s'),
})

const METRICS = 'a file whose name ends in .prom, for node_exporter'

const REDIS_URL =
  'redis://HOST:6379, redis+sentinel://HOST,HOST/MASTER or redis+cluster://HOST,HOST (rediss…: over TLS)'

const RedisGroup = v.strictObject({
  url: v.pipe(
    v.string(REDIS_URL),
    v.check((url) => parseRedisUrl(url) !== null, REDIS_URL),
  ),
  password_file: v.optional(path('a file that holds the password')),
  ca_file: v.optional(path('a file of certificates (PEM) that vouch for the server')),
})

const COUNT = 'a whole number of at least 1'
const count = v.pipe(v.number(COUNT), v.integer(COUNT), v.minValue(1, COUNT))

const Fleet = v.strictObject({
  max_updating: v.optional(count),
  without_redis: v.optional(v.picklist(['go-on', 'wait'], 'go-on or wait'), 'go-on'),
  hold_after_failures: v.optional(count),
})

export const ConfigSchema = v.pipe(
  v.strictObject({
    computer: v.optional(v.pipe(v.string(COMPUTER), v.regex(COMPUTER_NAME, COMPUTER))),
    deployment: Deployment,
    service: v.optional(Service),
    redis: v.optional(RedisGroup),
    fleet: v.optional(Fleet),
    on_status: v.optional(commandLine),
    metrics: v.optional(v.pipe(path(METRICS), v.endsWith('.prom', `the absolute path of ${METRICS}`))),
  }),
  v.forward(
    v.check(
      ({ fleet, redis }) => !fleet || redis !== undefined,
      'nothing without redis.url: computers meet in Redis',
    ),
    ['fleet'],
  ),
)

export type ConfigInput = v.InferInput<typeof ConfigSchema>
type Parsed = v.InferOutput<typeof ConfigSchema>

/** The configuration as programs use it: times in milliseconds, paths absolute, defaults filled in. */
export interface Config extends Parsed {
  readonly computer: string
}
export type ServiceConfig = NonNullable<Config['service']>
export type Channel = Config['deployment']['channel']
