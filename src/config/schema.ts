import * as v from 'valibot'
import { Deployment } from './deployment.ts'
import { parseRedisUrl, REDIS_URL_FORMS } from './redis-url.ts'
import { about, argument, choice, commandLine, duration, flag, optional, path } from './values.ts'

/**
 * The configuration: each key once, with what it is for, its type, its default and the sentence that says what it
 * takes (the message of an error is that sentence; the value that was found is added to it).
 */

/** A computer's name: part of a key in Redis, and shown on other computers' screens. */
export const COMPUTER_NAME = /^[A-Za-z0-9][\w.-]{0,63}$/
const COMPUTER = 'a name of 1 to 64 letters, digits, dots, dashes and underscores'
const METRICS = 'the absolute path of a file whose name ends in .prom, for node_exporter'

/** The units of the service in the order in which they are restarted. */
type Units = readonly [string, ...string[]]

const UNIT = 'the name of a systemd unit (teleclaude.service) or a launchd label'
const UNITS = `${UNIT}, or a list of them, each once`
const unit = v.pipe(
  argument(UNIT),
  v.check((name) => !/@(\.[a-z]+)?$/.test(name), 'an instance of this template, such as web@1.service'),
)

/** `web` and `web.service` are one unit. */
function isEachOnce(names: readonly string[]): boolean {
  return new Set(names.map((name) => name.replace(/\.service$/, ''))).size === names.length
}

const ServiceKeys = v.strictObject({
  name: v.pipe(
    about(
      'The systemd unit, or the launchd label, that runs from the checkout; a list where there are several, which are restarted in that order.',
      v.union(
        [
          unit,
          v.pipe(
            v.array(unit),
            v.minLength(1, UNITS),
            v.check((names) => isEachOnce(names), UNITS),
          ),
        ],
        UNITS,
      ),
    ),
    v.transform((given): Units => {
      const [first = '', ...others] = [given].flat()
      return [first, ...others]
    }),
  ),
  scope: optional(
    "Whose service manager runs it: the user's, or the computer's.",
    choice('user', 'system'),
    'user',
  ),
  restart: optional(
    'How it gets to run the new code: by being asked to leave, which it does with exit code 42; by a restart of its manager; or not at all, and telec-update then leaves with 42 itself.',
    choice('exit-42', 'manager', 'none'),
    'exit-42',
  ),
  environment: optional(
    "Whether migrations get the service's own Environment= and EnvironmentFile=, as systemd knows them: of several units that of the first.",
    flag,
    false,
  ),
  health: optional(
    'Run by a shell until it exits 0 once the new process is up; an update is not done before.',
    commandLine,
  ),
  health_timeout: optional('How long `health` may fail before the update halts.', duration('1s'), '60s'),
  healthy_after: optional('How long the new process must stay up.', duration('0s'), '5s'),
  stop_timeout: optional(
    'How long the old process may take to leave before its manager restarts it by force.',
    duration('1s'),
    '90s',
  ),
})

/** One unit is a list of one. */
const Service = v.pipe(
  about(
    'The service that is restarted. Without it telec restarts nothing, and telec-update leaves with 42 after an update.',
    ServiceKeys,
  ),
  v.transform(({ name: names, ...others }) => ({ ...others, names })),
)

const RedisGroup = v.strictObject({
  url: about(
    'Where Redis is. All of telec works without it, and nothing waits for it.',
    v.pipe(
      v.string(REDIS_URL_FORMS),
      v.check((url) => parseRedisUrl(url) !== null, REDIS_URL_FORMS),
    ),
  ),
  password_file: optional(
    'A file that holds the password, instead of one in the URL.',
    path('a file that holds the password'),
  ),
  ca_file: optional(
    'Who may vouch for the server over TLS, instead of the authorities that Node.js knows.',
    path('a file of certificates (PEM) that vouch for the server'),
  ),
})

const COUNT = 'a whole number of at least 1'
const count = v.pipe(v.number(COUNT), v.integer(COUNT), v.minValue(1, COUNT))

const Fleet = v.strictObject({
  max_updating: optional(
    'So many computers update at once; the others take turns. By default all do.',
    count,
  ),
  without_redis: optional(
    'What happens while Redis is away: updates go on, or wait for it.',
    choice('go-on', 'wait'),
    'go-on',
  ),
  hold_after_failures: optional(
    'A version at which so many other computers halted is held until there is a newer one. By default none is.',
    count,
  ),
})

/** What `on_status` is run for: the statuses of an update, of which `update_failed` is the halt. */
const KINDS = ['updating', 'migrating', 'installing', 'restarting', 'updated', 'halted'] as const
const ON_STATUS = `a command line; or run: with one, and on: with a list of ${KINDS.join(', ')}`

/** A command line alone is run for each. */
const OnStatus = v.pipe(
  about(
    'Run by a shell at each status of an update, or at those of `on`; it gets the status as JSON on its standard input. 10 s each; what it says or does not do changes nothing. Recipes: notifications.md.',
    v.union(
      [
        commandLine,
        v.strictObject({
          run: commandLine,
          on: v.pipe(v.array(v.picklist(KINDS)), v.minLength(1, ON_STATUS)),
        }),
      ],
      ON_STATUS,
    ),
  ),
  v.transform((given) => (typeof given === 'string' ? { run: given, on: KINDS } : given)),
)

export const ConfigSchema = v.pipe(
  v.strictObject({
    computer: optional(
      'The name of this computer. By default its host name.',
      v.pipe(v.string(COMPUTER), v.regex(COMPUTER_NAME, COMPUTER)),
    ),
    deployment: about('What to deploy, where, and when.', Deployment),
    service: v.optional(Service),
    redis: optional('Redis, for a view of all computers and updates within seconds.', RedisGroup),
    fleet: optional('How computers that share a Redis take turns.', Fleet),
    on_status: v.optional(OnStatus),
    metrics: optional(
      "Where to leave numbers for the textfile collector of Prometheus' node_exporter.",
      v.pipe(v.string(METRICS), v.regex(/^(~\/|\/).*\.prom$/s, METRICS)),
    ),
  }),
  v.forward(
    v.check(
      ({ fleet, redis }) => !fleet || redis !== undefined,
      'nothing without redis.url: computers meet in Redis',
    ),
    ['fleet'],
  ),
)

/** The configuration as programs use it: times in milliseconds, paths absolute, defaults filled in. */
export interface Config extends v.InferOutput<typeof ConfigSchema> {
  readonly computer: string
}
export type ServiceConfig = NonNullable<Config['service']>
export type OnStatus = NonNullable<Config['on_status']>
export type RedisConfig = NonNullable<Config['redis']>
export type Channel = Config['deployment']['channel']
